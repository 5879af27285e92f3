"""Half and twice the resolution of volumes; slices keep to their plane."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mrisynth_pipeline.models.blocks.factorised_conv import SliceableConv


class Halve(nn.Module):
    """Volumes: a 3×3×3 convolution of stride 2. Slices: in-plane linear interpolation by ½, without weights.

    Args:
        channels: Channels, which stay.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "batch channel d h w"], flat: bool = False) -> Float[Tensor, "batch channel *s"]:
        """Sizes must be even (in-plane, where flat)."""
        # At a factor of exactly ½, linear interpolation is the mean of two neighbours.
        return F.avg_pool3d(x, (1, 2, 2)) if flat else self.convolution(x)


class Double(nn.Module):
    """Trilinear interpolation by 2 (slices: in-plane alone), then a 3×3×3 convolution.

    Args:
        channels: Channels, which stay.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = SliceableConv(channels, channels)

    def forward(self, x: Float[Tensor, "batch channel d h w"], flat: bool = False) -> Float[Tensor, "batch channel *s"]:
        """Twice the size."""
        larger = F.interpolate(x, scale_factor=(1.0 if flat else 2.0, 2.0, 2.0), mode="trilinear")
        return self.convolution(larger, flat)
