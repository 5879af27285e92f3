"""A residual U-Net from the available contrasts to all of them, in 2D and in 3D: the plain baseline of AGI-Net."""

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from monai.inferers import sliding_window_inference
from pydantic import Field
from torch import Tensor, nn

from mrisynth_pipeline.models.blocks.residual_unet import Part, ResidualUNet
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.foreground import foreground
from mrisynth_pipeline.models.scenarios import parse_scenario
from mrisynth_pipeline.parameters import Parameters


class ResUNetArchitecture(Parameters):
    """Sizes of a residual U-Net; the paper's are unknown, these are the usual ones."""

    spatial_dims: Literal[2, 3] = 2
    """2 works on axial slices, 3 on windows of the volume."""
    widths: tuple[int, ...] = Field((64, 128, 256, 512), min_length=2)
    """Channels of each resolution, the full one first; each level halves the resolution."""
    scenario: str = "any"
    """Which contrasts are given and asked for: ``any`` from any, or one scenario such as ``t1+t2->pd``."""
    window: tuple[int, int, int] = (96, 96, 96)
    """Size (x, y, z) of the windows in which a 3D network goes through a volume."""
    overlap: float = Field(0.5, ge=0, lt=1)
    """Share of a window that it has in common with its neighbour."""


class ResUNet(Imputer):
    """Zero-filled images and their availability in, all contrasts out.

    The network reads, contrast by contrast, the image and a channel that says whether it is there (1 or 0), so that
    neighbouring channels belong together. A fixed scenario ignores all other contrasts; it is answered with all
    contrasts too, of which only the targets were trained.

    Args:
        modalities: Contrasts in channel order.
        architecture: Sizes and scenario, or a mapping of them (from a model card).

    Raises:
        ValueError: If the scenario does not fit the contrasts, or the window the number of levels.
    """

    name = "resunet"
    architecture_type: type[ResUNetArchitecture] = ResUNetArchitecture

    def __init__(self, modalities: tuple[str, ...], architecture: ResUNetArchitecture | dict[str, Any]) -> None:
        a = self.architecture_type.model_validate(architecture)
        super().__init__(modalities, spatial_dims=a.spatial_dims, divisor=2 ** (len(a.widths) - 1))
        if a.spatial_dims == 3 and any(size % self.divisor for size in a.window):
            raise ValueError(f"window={a.window} must be divisible by {self.divisor} with {len(a.widths)} widths")
        self.architecture = a
        self.scenario = parse_scenario(a.scenario, self.modalities)
        inputs = torch.tensor([name in self.scenario.inputs for name in self.modalities])
        self.register_buffer("inputs", inputs, persistent=False)
        self.network = ResidualUNet(
            a.spatial_dims, 2 * len(self.modalities), len(self.modalities), a.widths, self.convolution
        )

    def convolution(self, part: Part, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
        """The k = 3 layer of a part of the network."""
        layer = {2: nn.Conv2d, 3: nn.Conv3d}[self.spatial_dims]
        return layer(in_channels, out_channels, 3, stride, 1)

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return super().construction() | {"architecture": self.architecture.model_dump(mode="json")}

    def covers(self, available: Bool[Tensor, " modality"], target: int) -> bool:
        """Whether the scenario's inputs are all there and the contrast is one of its targets."""
        if not self.scenario.fixed:
            return True
        given = {name for name, have in zip(self.modalities, available.tolist(), strict=True) if have}
        return given.issuperset(self.scenario.inputs) and self.modalities[target] in self.scenario.targets

    @property
    def graph_obstacle(self) -> str:
        """Volumes are gone through in windows; slices are not."""
        if self.spatial_dims == 2:
            return ""
        return "it goes through volumes window by window, leaves out the empty ones, and looks for the head with SciPy"

    def channels(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch channel *spatial"]:
        """What the network reads: image 1, available 1, image 2, available 2, …; missing images are zero."""
        usable = (available & self.inputs).reshape(*available.shape, *(1,) * self.spatial_dims).expand_as(images)
        shown = torch.where(usable, images, torch.zeros_like(images))
        return torch.stack([shown, usable.to(images.dtype)], dim=2).flatten(1, 2)

    def forward(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality *spatial"]:
        """All contrasts, not clamped, in one pass; sizes must be divisible by ``divisor``."""
        return self.network(self.channels(images, available))

    def predict(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality *spatial"]:
        """Slices in one pass; volumes window by window, blended by Gaussian weights, so that memory stays bounded."""
        if self.spatial_dims == 2:
            return self(images, available)
        window = [min(size, grid) for size, grid in zip(self.architecture.window[::-1], images.shape[2:], strict=True)]
        return torch.stack([self._in_windows(*sample, window) for sample in zip(images, available, strict=True)])

    def _in_windows(
        self, image: Float[Tensor, "modality z y x"], available: Bool[Tensor, " modality"], window: list[int]
    ) -> Float[Tensor, "modality z y x"]:
        """One volume, window by window; what lies beyond the head in all inputs stays 0, as on slices without any.

        Normalised over a window with little of the head in it, the background would come out grey, and the windows'
        borders would show.
        """

        def one_window(part: Tensor) -> Tensor:
            return self(part, available[None]) if part.any() else torch.zeros_like(part)

        shown = torch.where((available & self.inputs)[:, None, None, None], image, torch.zeros_like(image))
        whole = sliding_window_inference(
            shown[None],
            window,
            sw_batch_size=1,
            predictor=one_window,
            overlap=self.architecture.overlap,
            mode="gaussian",
        )
        return whole[0] * foreground(shown)
