"""Feature-wise linear modulation (Perez et al., AAAI 2018): a condition scales and shifts channels."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

Modulation = tuple[Float[Tensor, "batch channel"], Float[Tensor, "batch channel"]]
"""Scale and shift of every channel."""


class FiLM(nn.Module):
    """One MLP from a condition to scales and shifts for several places of a network; it starts as the identity.

    Args:
        condition: Length of the condition.
        hidden: Units of the two hidden layers.
        channels: Channels of each place, in the order of use.
    """

    def __init__(self, condition: int, hidden: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = list(channels)
        self.mlp = nn.Sequential(
            nn.Linear(condition, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 2 * sum(channels)),
        )
        nn.init.zeros_(self.mlp[-1].weight)
        nn.init.zeros_(self.mlp[-1].bias)

    def forward(self, condition: Float[Tensor, "batch condition"]) -> list[Modulation]:
        """Scales (1 + …) and shifts, place by place."""
        scales, shifts = self.mlp(condition).chunk(2, dim=1)
        return list(zip((1 + scales).split(self.channels, 1), shifts.split(self.channels, 1), strict=True))


def modulate(x: Float[Tensor, "batch channel d h w"], modulation: Modulation) -> Float[Tensor, "batch channel d h w"]:
    """Channels scaled and shifted, everywhere alike."""
    scale, shift = (values[:, :, None, None, None].to(x.dtype) for values in modulation)
    return x * scale + shift
