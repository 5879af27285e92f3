"""NAFNet: the activation-free restoration backbone of CodeBrain (Chen et al., ECCV 2022, arXiv 2204.04676)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mrisynth_pipeline.models.blocks.cagr import CAGRConv

SpatialConv = Literal["plain", "cagr"]
"""The 3×3 layers of an encoder: ordinary ones, or AGI-Net's adaptive ones (ours; not in NAFNet or CodeBrain)."""


def spatial_conv(kind: SpatialConv, in_channels: int, out_channels: int, groups: int, n_groups: int) -> nn.Module:
    """A 3×3 layer that keeps the size; ``n_groups`` are those of :class:`CAGRConv`."""
    if kind == "plain":
        return nn.Conv2d(in_channels, out_channels, 3, padding=1, groups=groups)
    return CAGRConv(2, in_channels, out_channels, 3, padding=1, groups=groups, n_groups=n_groups)


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of each pixel, with a learned scale and shift per channel."""

    def __init__(self, channels: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.epsilon = epsilon

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """Normalise each pixel's channel vector to mean 0 and variance 1, then scale and shift."""
        # The networks below keep channels last in memory: both permutations are views, one fused kernel does the rest.
        channels_last = x.permute(0, 2, 3, 1)
        normalised = functional.layer_norm(
            channels_last, channels_last.shape[-1:], self.weight, self.bias, self.epsilon
        )
        return normalised.permute(0, 3, 1, 2)


def simple_gate(x: Float[Tensor, "batch twice y x"]) -> Float[Tensor, "batch channel y x"]:
    """Product of the two halves of the channels: NAFNet's replacement of an activation (its equation 4)."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NAFBlock(nn.Module):
    """One NAFNet block; the shape does not change.

    Two residual branches, each scaled by a learned vector that starts at zero, so that a new block is the identity:
    (norm, 1×1 expand, 3×3 depthwise, gate, simplified channel attention, 1×1) and (norm, 1×1 expand, gate, 1×1).
    """

    def __init__(self, channels: int, kind: SpatialConv = "plain") -> None:
        super().__init__()
        self.spatial_norm = LayerNorm2d(channels)
        self.spatial_expand = nn.Conv2d(channels, 2 * channels, 1)
        self.depthwise = spatial_conv(kind, 2 * channels, 2 * channels, groups=2 * channels, n_groups=4)
        self.channel_attention = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.spatial_project = nn.Conv2d(channels, channels, 1)
        self.spatial_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.channel_norm = LayerNorm2d(channels)
        self.channel_expand = nn.Conv2d(channels, 2 * channels, 1)
        self.channel_project = nn.Conv2d(channels, channels, 1)
        self.channel_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """Apply both residual branches."""
        branch = simple_gate(self.depthwise(self.spatial_expand(self.spatial_norm(x))))
        x = x + self.spatial_scale * self.spatial_project(branch * self.channel_attention(branch))
        branch = simple_gate(self.channel_expand(self.channel_norm(x)))
        return x + self.channel_scale * self.channel_project(branch)


def naf_blocks(channels: int, count: int, kind: SpatialConv = "plain") -> nn.Sequential:
    """``count`` NAF blocks in a row."""
    return nn.Sequential(*(NAFBlock(channels, kind) for _ in range(count)))


class NAFEncoder(nn.Module):
    """From an image stack to features at 1/8 resolution.

    Args:
        in_channels: Channels of the input.
        width: Channels after the stem; doubled by each of the three stride-2 convolutions.
        depth: Blocks at the lowest resolution.
        out_channels: Width of a final 1×1 head; ``None`` returns the features themselves.
        kind: Of the 3×3 layers. In an adaptive stem every input channel, that is every contrast, is a group.
    """

    reduction = 8

    def __init__(
        self,
        in_channels: int,
        width: int,
        depth: int,
        out_channels: int | None = None,
        kind: SpatialConv = "plain",
    ) -> None:
        super().__init__()
        stem = spatial_conv(kind, in_channels, width, groups=1, n_groups=in_channels)
        stages: list[nn.Module] = [stem, NAFBlock(width, kind)]
        for stage, blocks in enumerate((1, 1, depth)):
            channels = width * 2**stage
            stages += [nn.Conv2d(channels, 2 * channels, 2, stride=2), naf_blocks(2 * channels, blocks, kind)]
        self.features = nn.Sequential(*stages)
        self.head = nn.Conv2d(8 * width, out_channels, 1) if out_channels else nn.Identity()
        self.out_channels = out_channels or 8 * width
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch feature y8 x8"]:
        """Encode; height and width must be divisible by 8."""
        return self.head(self.features(x))


class NAFDecoder(nn.Module):
    """From features at 1/8 resolution to an image stack: the mirror of :class:`NAFEncoder`, by pixel shuffles.

    Args:
        in_channels: Channels of the features.
        width: Channels at full resolution (16 × width at 1/8).
        depth: Blocks at the lowest resolution.
        out_channels: Channels of the image stack.
    """

    def __init__(self, in_channels: int, width: int, depth: int, out_channels: int) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.Conv2d(in_channels, 16 * width, 1), naf_blocks(16 * width, depth)]
        # A shuffle by 2 divides the channels by 4; the 1×1 before it keeps (first) or doubles (then) them.
        for before, after in ((16, 4), (4, 2), (2, 1)):
            stages += [
                nn.Conv2d(before * width, 4 * after * width, 1),
                nn.PixelShuffle(2),
                NAFBlock(after * width),
            ]
        stages.append(nn.Conv2d(width, out_channels, 3, padding=1))
        self.layers = nn.Sequential(*stages)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Float[Tensor, "batch feature y8 x8"]) -> Float[Tensor, "batch channel y x"]:
        """Decode to full resolution, without a final activation."""
        return self.layers(x)
