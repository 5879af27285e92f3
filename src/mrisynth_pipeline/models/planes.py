"""A 2D method asked in three planes: what it says of a volume then hangs together along every axis."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.imaging.planes import Planes
from mrisynth_pipeline.models.door import Imputer, impute_volume

MOST_STRETCH = 1.25
"""Longest over shortest side of a voxel up to which the three planes look alike to a network."""

_TURNED = ((1, 2, 3), (2, 1, 3), (3, 1, 2))
"""Order of the axes (z, y, x) of ``[modality, z, y, x]`` so that axial, coronal, sagittal slices come first."""


def uses_three_planes(method: Imputer, planes: Planes, spacing_mm: Sequence[float]) -> bool:
    """Whether a volume is imputed in three planes.

    Args:
        method: Any imputer; one on whole volumes is asked once in any case.
        planes: The wish.
        spacing_mm: Voxel size along each axis.
    """
    isotropic = max(spacing_mm) <= MOST_STRETCH * min(spacing_mm)
    return method.spatial_dims == 2 and (planes == "three" or (planes == "auto" and isotropic))


def impute_in_planes(
    method: Imputer,
    volumes: Float[Tensor, "modality z y x"],
    available: Bool[Tensor, " modality"],
    planes: Planes,
    spacing_mm: Sequence[float],
    batch_size: int = 16,
) -> Float[Tensor, "modality z y x"]:
    """Impute one subject's volumes; a 2D method's axial, coronal and sagittal answers are averaged.

    Each axial slice is imputed on its own, so that neighbours may disagree: the volume jumps from slice to slice. The
    mean over three planes jumps as little along one axis as along the others, and its errors partly cancel. The
    method has been trained on axial slices alone; that it works on the others is measured (docs/impute.md), not given.

    Args:
        method: Any imputer.
        volumes: Intensities in [0, 1].
        available: Which modalities may be used.
        planes: Which planes.
        spacing_mm: Voxel size along each axis.
        batch_size: Slices per forward pass of a 2D method.

    Returns:
        Volumes of all modalities in [0, 1], on the CPU.
    """
    if not uses_three_planes(method, planes, spacing_mm):
        return impute_volume(method, volumes, available, batch_size)
    total = torch.zeros_like(volumes)
    for order in _TURNED:
        turned = volumes.permute(0, *order).contiguous()
        back = [1 + order.index(axis) for axis in (1, 2, 3)]
        total += impute_volume(method, turned, available, batch_size).permute(0, *back)
    return total / len(_TURNED)
