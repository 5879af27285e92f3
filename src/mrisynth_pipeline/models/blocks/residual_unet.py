"""A residual encoder–decoder with skips, from any k = 3 convolution (ResUNet: Zhang et al., GRSL 2018)."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Part = Literal["stem", "encoder", "bottleneck", "decoder"]
Convolution = Callable[..., nn.Module]
"""``(part, in_channels, out_channels, stride=1)`` → a k = 3 layer that keeps the size (at stride 1) or halves it."""


def instance_norm(channels: int) -> nn.GroupNorm:
    """Affine instance normalisation; as a group norm of single channels it takes half the time on a CPU."""
    return nn.GroupNorm(channels, channels)


class ResidualBlock(nn.Module):
    """Two k = 3 convolutions with instance normalisation, and a shortcut: the identity, or 1×1 to other channels.

    The shortcut is not normalised: it alone carries the level of the intensities, which normalisation takes out.
    """

    def __init__(
        self, spatial_dims: int, in_channels: int, out_channels: int, part: Part, convolution: Convolution
    ) -> None:
        super().__init__()
        pointwise = {2: nn.Conv2d, 3: nn.Conv3d}[spatial_dims]
        self.layers = nn.Sequential(
            convolution(part, in_channels, out_channels),
            instance_norm(out_channels),
            nn.LeakyReLU(0.01, inplace=True),
            convolution(part, out_channels, out_channels),
            instance_norm(out_channels),
        )
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else pointwise(in_channels, out_channels, 1)
        self.activation = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Float[Tensor, "batch channel *spatial"]) -> Float[Tensor, "batch out *spatial"]:
        """Sum of both branches, activated."""
        return self.activation(self.layers(x) + self.shortcut(x))


class ResidualUNet(nn.Module):
    """Residual U-Net; no activation at the end.

    The stem is a convolution and an activation without normalisation. A constant input channel, such as the one that
    says whether a contrast is there, shifts its output by a constant, which a normalisation right behind it would take
    out again. Down: stride 2. Up (ours): transposed convolution, kernel and stride 2, whose patches do not overlap.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        widths: Channels of each resolution, the full one first; the last is the bottleneck.
        convolution: Makes the k = 3 layers.
    """

    def __init__(
        self, spatial_dims: int, in_channels: int, out_channels: int, widths: Sequence[int], convolution: Convolution
    ) -> None:
        super().__init__()
        plain = {2: nn.Conv2d, 3: nn.Conv3d}[spatial_dims]
        transposed = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[spatial_dims]
        stem = nn.Sequential(convolution("stem", in_channels, widths[0]), nn.LeakyReLU(0.01, inplace=True))
        self.down, self.encoder = nn.ModuleList([stem]), nn.ModuleList()
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            part: Part = "bottleneck" if level == len(widths) - 1 else "encoder"
            if level:
                self.down.append(convolution(part, widths[level - 1], width, stride=2))
            self.encoder.append(ResidualBlock(spatial_dims, width, width, part, convolution))
        for width, below in zip(widths[-2::-1], widths[:0:-1], strict=True):
            self.up.append(transposed(below, width, 2, stride=2))
            self.decoder.append(ResidualBlock(spatial_dims, 2 * width, width, "decoder", convolution))
        self.head = plain(widths[0], out_channels, 1)

    def forward(self, x: Float[Tensor, "batch channel *spatial"]) -> Float[Tensor, "batch out *spatial"]:
        """Sizes must be divisible by 2^(levels − 1)."""
        skips = []
        for down, block in zip(self.down, self.encoder, strict=True):
            x = block(down(x))
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.decoder, strict=True):
            x = block(torch.cat([up(x), skips.pop()], dim=1))
        return self.head(x)
