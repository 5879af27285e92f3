"""Image discriminators."""

from jaxtyping import Float
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """PatchGAN of pix2pix (Isola et al., CVPR 2017) with several realness maps, for slices or volumes.

    Four 4×4 stride-2 convolutions (width, 2, 4, 8 × width), InstanceNorm on all but the first, LeakyReLU 0.2, then a
    4×4 convolution without bias; in 3D the same with 4×4×4. Raw scores come out, for least-squares or hinge losses.

    Args:
        in_channels: Channels of the (conditional) input.
        out_channels: Realness maps; CodeBrain has one per modality.
        width: Channels of the first convolution; 64 in the papers.
        spatial_dims: 2 for slices, 3 for volumes.
    """

    smallest_image = 32
    """Voxels that an image must measure each way: four halvings, of which the last convolution needs two voxels."""

    def __init__(self, in_channels: int, out_channels: int, width: int = 64, spatial_dims: int = 2) -> None:
        super().__init__()
        convolution, norm = {2: (nn.Conv2d, nn.InstanceNorm2d), 3: (nn.Conv3d, nn.InstanceNorm3d)}[spatial_dims]
        layers: list[nn.Module] = [convolution(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for scale in (1, 2, 4):
            layers += [
                convolution(scale * width, 2 * scale * width, 4, 2, 1),
                norm(2 * scale * width),
                nn.LeakyReLU(0.2),
            ]
        layers.append(convolution(8 * width, out_channels, 4, 1, 1, bias=False))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "batch channel *spatial"]) -> Float[Tensor, "batch map *patch"]:
        """Score overlapping patches; the image must measure at least :attr:`smallest_image` voxels each way."""
        return self.layers(x)
