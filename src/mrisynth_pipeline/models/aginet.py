"""AGI-Net: a residual U-Net whose convolutions adapt to the groups of their input (arXiv 2411.14684, IEEE TMI 2026)."""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from mrisynth_pipeline.models.blocks.cagr import CAGRConv, Rolling
from mrisynth_pipeline.models.blocks.residual_unet import Part
from mrisynth_pipeline.models.resunet import ResUNet, ResUNetArchitecture


class AGINetArchitecture(ResUNetArchitecture):
    """Sizes and switches of AGI-Net."""

    strategy: Literal["all", "encoder", "bottleneck", "none"] = "all"
    """Which k = 3 convolutions adapt: all; those on the way down (the stem included, the lowest resolution not); those
    of the lowest resolution; or none, which is the plain residual U-Net."""
    n_groups: int = Field(4, ge=1)
    """Groups of channels with an offset and a scale of their own; in the stem every contrast is a group."""
    attention: bool = True
    """Whether cross-group attention precedes the rolling (ablation: False)."""
    rolling: Rolling = "circular"
    """How kernels are rolled; ``zero_fill``, ``frozen`` and ``none`` are controls, see :class:`CAGRConv`."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout of the routing function."""


class AGINet(ResUNet):
    """The residual U-Net with k = 3 convolutions replaced by :class:`CAGRConv`.

    Args:
        modalities: Contrasts in channel order.
        architecture: Sizes and switches, or a mapping of them (from a model card).

    Raises:
        ValueError: If the scenario does not fit the contrasts, the window the number of levels, or ``n_groups`` the
            widths.
    """

    name = "aginet"
    architecture_type = AGINetArchitecture

    def convolution(self, part: Part, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
        """The k = 3 layer of a part of the network: adaptive where the strategy says so."""
        a = self.architecture
        adaptive = {"all": ("stem", "encoder", "bottleneck", "decoder"), "encoder": ("stem", "encoder")}
        if part not in adaptive.get(a.strategy, (a.strategy,)):
            return super().convolution(part, in_channels, out_channels, stride)
        return CAGRConv(
            a.spatial_dims,
            in_channels,
            out_channels,
            stride=stride,
            padding=1,
            n_groups=len(self.modalities) if part == "stem" else a.n_groups,
            attention=a.attention,
            rolling=a.rolling,
            dropout=a.dropout,
        )

    def adaptive_layers(self) -> Iterator[tuple[str, CAGRConv]]:
        """Every adaptive convolution with its name, in the order of the network's parts."""
        return ((name, layer) for name, layer in self.named_modules() if isinstance(layer, CAGRConv))

    @torch.no_grad()
    def offsets(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> dict[str, Float[Tensor, "batch group dims"]]:
        """By how many taps each adaptive layer rolls the kernel of each group (axes as the image's, in array order).

        Layers come in the order in which they run. In the stem, named ``network.down.0.0``, the groups are the
        contrasts. A layer's taps are as far apart as its input's positions, 2^l pixels of the image at level l. Call it
        in evaluation mode: dropout would add its noise.
        """
        found: dict[str, Tensor] = {}

        def record(name: str):
            return lambda layer, inputs: found.__setitem__(name, layer.route(inputs[0])[0])

        hooks = [layer.register_forward_pre_hook(record(name)) for name, layer in self.adaptive_layers()]
        try:
            self(images, available)
        finally:
            for hook in hooks:
                hook.remove()
        return found
