"""What the protocol itself gives: rows that are no methods, between which all methods stand."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

_HALF_A_VOXEL = 0.5


def blank(
    volumes: Float[Tensor, "modality z y x"], available: Bool[Tensor, " modality"]
) -> Float[Tensor, "modality z y x"]:
    """The floor: an empty image. Its scores are what the background alone gives."""
    return torch.zeros_like(volumes)


def resampled_truth(
    volumes: Float[Tensor, "modality z y x"], available: Bool[Tensor, " modality"]
) -> Float[Tensor, "modality z y x"]:
    """A ceiling: the truth after one more resampling, half a voxel along every axis and back, by linear interpolation.

    Between two scans of a subject that were registered lies as much; a score above this one tells nothing (the choice
    of half a voxel, the worst case of one interpolation, is ours).
    """
    there = _shifted(volumes, _HALF_A_VOXEL)
    return _shifted(there, -_HALF_A_VOXEL).clamp(0.0, 1.0)


def _shifted(volumes: Float[Tensor, "modality z y x"], voxels: float) -> Float[Tensor, "modality z y x"]:
    """Linear interpolation at points moved by so many voxels along every axis."""
    moved = torch.eye(3, 4)
    moved[:, 3] = torch.tensor([2 * voxels / size for size in reversed(volumes.shape[1:])])
    points = F.affine_grid(moved[None], (1, len(volumes), *volumes.shape[1:]), align_corners=False)
    return F.grid_sample(volumes[None], points, mode="bilinear", padding_mode="border", align_corners=False)[0]
