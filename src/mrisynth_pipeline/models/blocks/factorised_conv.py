"""A 3×3×3 convolution in two parts, in-plane and along depth, of which slices use the first alone."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


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
