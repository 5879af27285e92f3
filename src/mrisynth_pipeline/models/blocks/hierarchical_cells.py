"""Cells of MMHVAE (arXiv 2410.19378) in 2D: encoders, decoder, posterior heads, image heads.

As in NVAE (Vahdat and Kautz, NeurIPS 2020). Kernel sizes and widths are those of the authors' release; parameter
counts are held to it by a test.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class SqueezeExcite(nn.Module):
    """Each channel times a factor in (0, 1) that the means of all channels decide (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 16, 4)
        self.layers = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """Weigh the channels."""
        return x * self.layers(x.mean((2, 3)))[:, :, None, None]


Norm = Literal["instance", "pixel"]
"""What is brought to mean 0 and variance 1, without learned scales: every channel of a slice (the release's), or the
channels of every pixel (ours). The first forgets how bright a slice is as a whole, and sees other statistics when
latents are means than when they are drawn."""


class PixelNorm(nn.Module):
    """The channels of each pixel to mean 0 and variance 1."""

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """Normalise."""
        return nn.functional.layer_norm(x.movedim(1, -1), x.shape[1:2]).movedim(-1, 1)


def norm_of(kind: Norm, channels: int) -> nn.Module:
    """The normalisation of so many channels."""
    return nn.InstanceNorm2d(channels) if kind == "instance" else PixelNorm()


def norm_act_conv(in_channels: int, out_channels: int, norm: Norm) -> list[nn.Module]:
    """Normalisation, SiLU, 3×3 convolution."""
    return [norm_of(norm, in_channels), nn.SiLU(), nn.Conv2d(in_channels, out_channels, 3, padding=1)]


class Residual(nn.Module):
    """The input plus what some layers make of it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """Add them."""
        return x + self.layers(x)


class EncoderCell(Residual):
    """(norm, SiLU, 3×3) twice and squeeze-excite, residual."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__(
            *norm_act_conv(channels, channels, norm),
            *norm_act_conv(channels, channels, norm),
            SqueezeExcite(channels),
        )


class DecoderCell(Residual):
    """Inverted residual: norm, 3×3 to ``expansion`` times the channels, 5×5 depthwise, squeeze-excite, 1×1 back."""

    def __init__(self, channels: int, expansion: int, norm: Norm) -> None:
        wide = expansion * channels
        super().__init__(
            norm_of(norm, channels),
            nn.Conv2d(channels, wide, 3, padding=1),
            norm_of(norm, wide),
            nn.SiLU(),
            nn.Conv2d(wide, wide, 5, padding=2, groups=wide),
            norm_of(norm, wide),
            nn.SiLU(),
            SqueezeExcite(wide),
            nn.Conv2d(wide, channels, 1),
        )


class Enlarge(nn.Module):
    """Bilinear interpolation to twice the size, then a 3×3 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch out y2 x2"]:
        """Twice the size."""
        return self.convolution(nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear"))


def weight_normed_1x1(in_channels: int, out_channels: int) -> nn.Module:
    """A 1×1 convolution without bias, its weights normalised."""
    return weight_norm(nn.Conv2d(in_channels, out_channels, 1, bias=False))


class PosteriorHead(nn.Sequential):
    """What a modality says of a level: from the decoder's state beside the encoder's features."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__(
            *norm_act_conv(2 * channels, channels, norm),
            *norm_act_conv(channels, channels, norm),
            SqueezeExcite(channels),
            weight_normed_1x1(channels, channels),
        )


class ToVector(nn.Module):
    """From the smallest feature maps of any size to the parameters of the top latent: pooled to a grid, then linear.

    Pooling is ours: the release has a layer that fits one size of image only.
    """

    def __init__(self, channels: int, size: int, out_features: int) -> None:
        super().__init__()
        self.size = size
        self.linear = weight_norm(nn.Linear(channels * size**2, out_features))

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch feature"]:
        """Pool and map."""
        return self.linear(nn.functional.adaptive_avg_pool2d(x, self.size).flatten(1))


class FromVector(nn.Module):
    """From the top latent to feature maps of any size: linear to a grid, then interpolated."""

    def __init__(self, in_features: int, channels: int, size: int) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        self.linear = weight_norm(nn.Linear(in_features, channels * size**2))

    def forward(self, z: Float[Tensor, "batch feature"], size: tuple[int, int]) -> Float[Tensor, "batch channel y x"]:
        """Map and enlarge to ``size`` (y, x)."""
        grid = self.linear(z).unflatten(1, self.shape)
        return grid if grid.shape[2:] == size else nn.functional.interpolate(grid, size=size, mode="bilinear")


class ImageHead(nn.Module):
    """From the finest latent to one modality's image in (−1, 1): residual blocks, two large convolutions, tanh.

    Args:
        channels: Of the latent.
        width: Of the blocks.
        blocks: How many.
        kernel: Size of the last two convolutions.
        norm: ``pixel`` goes without any here, where there are few channels.
    """

    def __init__(self, channels: int, width: int, blocks: int, kernel: int, norm: Norm) -> None:
        super().__init__()
        normalise = nn.InstanceNorm2d if norm == "instance" else nn.Identity

        def convolution(n_in: int, n_out: int, size: int) -> nn.Module:
            return nn.Conv2d(n_in, n_out, size, padding=size // 2, padding_mode="reflect")

        self.layers = nn.Sequential(
            nn.Identity() if channels == width else convolution(channels, width, 3),
            *(
                Residual(
                    convolution(width, width, 3),
                    normalise(width),
                    nn.ReLU(),
                    convolution(width, width, 3),
                    normalise(width),
                )
                for _ in range(blocks)
            ),
            convolution(width, width, kernel),
            normalise(width),
            nn.LeakyReLU(0.2),
            convolution(width, 1, kernel),
        )

    def forward(self, z: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch 1 y x"]:
        """The image."""
        return torch.tanh(self.layers(z).float())
