"""3×3×3 convolutions that volumes and slices share, whole or in two parts: in-plane, and along depth."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class SliceableConv(nn.Conv3d):
    """A 3×3×3 convolution, zero-padded, that slices see as in the middle of nothing: by its middle plane alone."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch channel d h w"], flat: bool = False) -> Float[Tensor, "batch out d h w"]:
        """Same spatial size; ``flat`` needs a depth of 1."""
        if not flat:
            return super().forward(x)
        # The other planes would meet the padding only: the same numbers for a third of the work.
        return F.conv2d(x[:, :, 0], self.weight[:, :, 1], self.bias, padding=1)[:, :, None]


class FactorisedConv(nn.Module):
    """1×3×3 in-plane, then 3×1×1 along depth, zero-padded; the depth part starts as the identity.

    A new layer therefore does to a volume what it does to each of its slices, and learns from there what depth adds.
    Axes are (depth, height, width); with the project's arrays depth is z.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_plane = nn.Conv3d(in_channels, out_channels, (1, 3, 3), padding=(0, 1, 1))
        # A 2D layer on [depth, plane]: the same numbers as 3×1×1 in 3D, several times faster on a CPU.
        self.along_depth = nn.Conv2d(out_channels, out_channels, (3, 1), padding=(1, 0))
        with torch.no_grad():
            self.along_depth.weight.zero_()
            self.along_depth.weight[:, :, 1, 0] = torch.eye(out_channels)
            self.along_depth.bias.zero_()

    def forward(self, x: Float[Tensor, "batch channel d h w"], flat: bool = False) -> Float[Tensor, "batch out d h w"]:
        """Same spatial size; ``flat`` skips the depth part."""
        x = self.in_plane(x)
        return x if flat else self.along_depth(x.flatten(3)).view_as(x)
