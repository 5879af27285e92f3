"""NeuroQuant's encoder and decoder trunks: residual blocks of factorised convolutions with multi-axis attention.

Both work on volumes and, ``flat``, on slices ``[batch, channel, 1, h, w]`` with the same weights: a flat pass skips the
depth parts, and resamples in-plane.
"""

import math
from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from mrisynth_pipeline.models.blocks.axial_attention import MultiAxisAttention
from mrisynth_pipeline.models.blocks.factorised_conv import FactorisedConv, SliceableConv
from mrisynth_pipeline.models.blocks.film import Modulation, modulate
from mrisynth_pipeline.models.blocks.scaling import Double, Halve


class MultiAxisResidualBlock(nn.Module):
    """Twice (group norm, SiLU, factorised convolution), around a shortcut: the identity, or 1×1×1 to other channels.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        norm_groups: Most groups of a normalisation; fewer where they do not divide the channels.
    """

    def __init__(self, in_channels: int, out_channels: int, norm_groups: int) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(math.gcd(norm_groups, in_channels), in_channels)
        self.first = FactorisedConv(in_channels, out_channels)
        self.second_norm = nn.GroupNorm(math.gcd(norm_groups, out_channels), out_channels)
        self.second = FactorisedConv(out_channels, out_channels)
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv3d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "batch channel d h w"], flat: bool = False) -> Float[Tensor, "batch out d h w"]:
        """Same spatial size."""
        inner = self.first(F.silu(self.first_norm(x)), flat)
        return self.shortcut(x) + self.second(F.silu(self.second_norm(inner)), flat)


class Chain(nn.Module):
    """Modules one after the other, each with the flag ``flat``.

    Args:
        modules: The modules; ``None`` is left out.
        checkpointing: Keep only the inputs of each module for the backward pass, and compute the rest again there.
    """

    def __init__(self, modules: Sequence[nn.Module | None], checkpointing: bool) -> None:
        super().__init__()
        self.parts = nn.ModuleList(module for module in modules if module is not None)
        self.checkpointing = checkpointing

    def forward(self, x: Float[Tensor, "batch channel d h w"], flat: bool = False) -> Float[Tensor, "batch out *s"]:
        """What the last module gives."""
        for part in self.parts:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(part, x, flat, use_reentrant=False, preserve_rng_state=False)
            else:
                x = part(x, flat)
        return x


class _Trunk(nn.Module):
    """What both trunks are made of."""

    def __init__(self, heads: int, norm_groups: int, checkpointing: bool) -> None:
        super().__init__()
        self.heads, self.norm_groups, self.checkpointing = heads, norm_groups, checkpointing

    def block(self, in_channels: int, out_channels: int) -> MultiAxisResidualBlock:
        return MultiAxisResidualBlock(in_channels, out_channels, self.norm_groups)

    def attention(self, channels: int, wanted: bool) -> MultiAxisAttention | None:
        groups = math.gcd(self.norm_groups, channels)
        return MultiAxisAttention(channels, self.heads, groups) if wanted else None

    def chain(self, *modules: nn.Module | None) -> Chain:
        return Chain(modules, self.checkpointing)

    def middle(self, channels: int, attention: bool) -> Chain:
        return self.chain(
            self.block(channels, channels), self.attention(channels, attention), self.block(channels, channels)
        )


class MultiAxisEncoder(_Trunk):
    """Stem, stages that end with half the resolution, and a middle.

    Args:
        in_channels: Channels of the image.
        widths: Channels of each stage; the last is that of the output.
        heads: Attention heads.
        attention: Stages, counted from 1, with attention behind their blocks.
        middle_attention: Whether the middle has attention.
        norm_groups: Most groups of a normalisation.
        checkpointing: See :class:`Chain`.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        heads: int,
        attention: Collection[int],
        middle_attention: bool,
        norm_groups: int,
        checkpointing: bool,
    ) -> None:
        super().__init__(heads, norm_groups, checkpointing)
        self.stem = SliceableConv(in_channels, widths[0])
        before = (widths[0], *widths)
        self.stages = nn.ModuleList(
            self.chain(
                self.block(before[stage - 1], width),
                self.block(width, width),
                self.attention(width, stage in attention),
                Halve(width),
            )
            for stage, width in enumerate(widths, start=1)
        )
        self.mid = self.middle(widths[-1], middle_attention)

    def forward(
        self, image: Float[Tensor, "batch channel d h w"], flat: bool = False
    ) -> Float[Tensor, "batch width *s"]:
        """Features of a 2^stages-th of the size (in-plane, where flat)."""
        x = self.stem(image, flat)
        for stage in self.stages:
            x = stage(x, flat)
        return self.mid(x, flat)


class MultiAxisDecoder(_Trunk):
    """A middle and stages that begin with twice the resolution; each may be modulated.

    Args:
        in_channels: Channels of the codes.
        widths: Channels of the encoder's stages; here they are run through backwards.
        heads: Attention heads.
        attention: Stages, counted from 1 at the lowest resolution, with attention behind their blocks.
        middle_attention: Whether the middle has attention.
        norm_groups: Most groups of a normalisation.
        checkpointing: See :class:`Chain`.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        heads: int,
        attention: Collection[int],
        middle_attention: bool,
        norm_groups: int,
        checkpointing: bool,
    ) -> None:
        super().__init__(heads, norm_groups, checkpointing)
        backwards = tuple(reversed(widths))
        self.modulated_channels = (backwards[0], *backwards)
        """Channels of the places that are modulated: behind the middle and behind every stage."""
        self.stem = SliceableConv(in_channels, backwards[0])
        self.mid = self.middle(backwards[0], middle_attention)
        self.stages = nn.ModuleList(
            self.chain(
                Double(before),
                self.block(before, width),
                self.block(width, width),
                self.attention(width, stage in attention),
            )
            for stage, (before, width) in enumerate(zip(self.modulated_channels, backwards, strict=False), start=1)
        )
        self.head = self.chain(_ImageHead(backwards[-1], math.gcd(norm_groups, backwards[-1])))

    def forward(
        self,
        codes: Float[Tensor, "batch code d h w"],
        modulations: Sequence[Modulation] | None = None,
        flat: bool = False,
    ) -> Float[Tensor, "batch 1 *s"]:
        """An image in (−1, 1), 2^stages times the size of the codes (in-plane, where flat)."""
        x = self.mid(self.stem(codes, flat), flat)
        x = modulate(x, modulations[0]) if modulations else x
        for place, stage in enumerate(self.stages, start=1):
            x = stage(x, flat)
            x = modulate(x, modulations[place]) if modulations else x
        return self.head(x, flat)


class _ImageHead(nn.Module):
    """Group norm, SiLU, 3×3×3 convolution to one channel, tanh."""

    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels)
        self.convolution = SliceableConv(channels, 1)

    def forward(self, x: Tensor, flat: bool) -> Tensor:
        return torch.tanh(self.convolution(F.silu(self.norm(x)), flat))
