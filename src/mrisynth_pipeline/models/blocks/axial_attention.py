"""Self-attention along one axis of a volume at a time (Ho et al. 2019: axial attention), as in NeuroQuant."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class AxisAttention(nn.Module):
    """Multi-head self-attention along one axis; all positions off the axis are batch.

    Pre-norm, with a residual. There is no positional encoding: how far apart two positions are, the convolutions
    around it must tell. A volume of D×H×W positions costs D·H·W·(length of the axis).

    Args:
        channels: Channels; divisible by ``heads``.
        heads: Attention heads.
        axis: Axis of ``[batch, channel, d, h, w]`` to attend along: 2, 3 or 4.
        norm_groups: Groups of the normalisation in front.
    """

    def __init__(self, channels: int, heads: int, axis: int, norm_groups: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{heads} attention heads do not divide {channels} channels")
        self.heads, self.axis = heads, axis
        self.norm = nn.GroupNorm(norm_groups, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.projection = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "batch channel d h w"]) -> Float[Tensor, "batch channel d h w"]:
        """The input plus what each position takes from the others on its line."""
        lines = self.norm(x).movedim(1, -1).movedim(self.axis - 1, -2)  # [batch, off, off, length, channel]
        *off_axis, length, channels = lines.shape
        qkv = self.qkv(lines.reshape(-1, length, channels))
        query, key, value = qkv.unflatten(-1, (3, self.heads, channels // self.heads)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        mixed = self.projection(mixed).reshape(*off_axis, length, channels)
        return x + mixed.movedim(-2, self.axis - 1).movedim(-1, 1)


class MultiAxisAttention(nn.Module):
    """Attention along depth, then height, then width, each with weights and a residual of its own.

    Args:
        channels: Channels; divisible by ``heads``.
        heads: Attention heads.
        norm_groups: Groups of the normalisations.

    Raises:
        ValueError: If the heads do not divide the channels.
    """

    def __init__(self, channels: int, heads: int, norm_groups: int) -> None:
        super().__init__()
        self.depth, self.height, self.width = (AxisAttention(channels, heads, axis, norm_groups) for axis in (2, 3, 4))

    def forward(
        self, x: Float[Tensor, "batch channel d h w"], flat: bool = False
    ) -> Float[Tensor, "batch channel d h w"]:
        """Same size; ``flat`` skips depth."""
        return self.width(self.height(x if flat else self.depth(x)))
