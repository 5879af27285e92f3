"""Random misalignment of the inputs during a training, so that a method learns to live with it."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from mrisynth_pipeline.imaging.displacement import displace
from mrisynth_pipeline.parameters import Parameters


class MisalignmentParameters(Parameters):
    """How far inputs are displaced at random in training; 0 and 0, the default, leaves them in place."""

    translation_mm: float = Field(0.0, ge=0.0)
    """Largest shift along each axis, in mm; uniform between its negative and itself."""
    rotation_deg: float = Field(0.0, ge=0.0, le=180.0)
    """Largest turn about each axis (2D: in the plane), in degrees; uniform likewise."""
    moved: Literal["one", "all_but_first"] = "one"
    """Which available contrasts are displaced: one of them at random, as when misalignment is measured, or each but the
    first in channel order, each by a motion of its own. A sample with one available contrast stays as it is."""


def misalign(
    images: Float[Tensor, "batch modality *spatial"],
    available: Bool[Tensor, "batch modality"],
    parameters: MisalignmentParameters,
    spacing_mm: Sequence[float],
    generator: torch.Generator,
) -> Float[Tensor, "batch modality *spatial"]:
    """Displace available contrasts by random rigid motions; at least one stays where the targets are.

    Between two inputs that disagree a method cannot know which of them the target lies with, unless it is always the
    same one (``all_but_first``); among three and more the odd one out can be told.

    Args:
        images: Slices [batch, modality, y, x], displaced in their plane, or patches [batch, modality, z, y, x].
        available: Which of them are inputs; the others stay.
        parameters: How far.
        spacing_mm: Voxel size (x, y, z).
        generator: What is drawn comes from it alone.
    """
    if not (parameters.translation_mm or parameters.rotation_deg):
        return images
    dims = images.ndim - 2
    spacing = torch.tensor([float(size) for size in reversed(spacing_mm)])[-dims:]  # in the order of the spatial axes
    if parameters.moved == "one":
        lots = torch.rand(available.shape, generator=generator).to(images.device).masked_fill(~available, -1.0)
        chosen = torch.zeros_like(available).scatter(1, lots.argmax(1, keepdim=True), True)
        moving = chosen & (available.sum(1, keepdim=True) > 1)
    else:
        moving = available & (available.cumsum(1) > 1)

    def uniform(numbers: int) -> Tensor:  # in [-1, 1), 0 for what stays
        draws = 2.0 * torch.rand(*available.shape, numbers, generator=generator) - 1.0
        return (draws.to(images.device) * moving[..., None]).flatten(0, 1)

    translation = uniform(dims) * parameters.translation_mm / spacing.to(images.device)
    rotation = uniform(1 if dims == 2 else 3) * torch.pi * parameters.rotation_deg / 180.0
    with torch.autocast(images.device.type, enabled=False):  # in half precision coordinates would be off by half voxels
        return displace(images.flatten(0, 1), translation, rotation, spacing.tolist()).reshape(images.shape)
