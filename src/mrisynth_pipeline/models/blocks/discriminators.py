"""Image discriminators."""

from jaxtyping import Float
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """PatchGAN of pix2pix (Isola et al., CVPR 2017) with several realness maps.

    Four 4×4 stride-2 convolutions (width, 2, 4, 8 × width), InstanceNorm on all but the first, LeakyReLU 0.2, then a
    4×4 convolution without bias. Raw scores come out, for least-squares or hinge losses.

    Args:
        in_channels: Channels of the (conditional) input.
        out_channels: Realness maps; CodeBrain has one per modality.
        width: Channels of the first convolution; 64 in the papers.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for scale in (1, 2, 4):
            layers += [
                nn.Conv2d(scale * width, 2 * scale * width, 4, 2, 1),
                nn.InstanceNorm2d(2 * scale * width),
                nn.LeakyReLU(0.2),
            ]
        layers.append(nn.Conv2d(8 * width, out_channels, 4, 1, 1, bias=False))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch map patch_y patch_x"]:
        """Score overlapping patches; the image must measure at least 32 pixels each way."""
        return self.layers(x)
