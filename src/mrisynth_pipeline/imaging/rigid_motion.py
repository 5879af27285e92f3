"""How far a rigid motion carries the brain, and the same motion written as shift and angles or as a matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from mrisynth_pipeline.imaging.displacement import displace

_POINTS = 50_000  # of a mask's voxels; the mean way of so many is that of all to a thousandth


@dataclass(frozen=True)
class RigidMotion:
    """A motion as :func:`~mrisynth_pipeline.imaging.displacement.displace` takes it.

    Args:
        translation: Shift in voxels along (z, y, x), positive towards higher indices.
        rotation: Radians about the (z, y, x) axes, turned about the middle of the grid before the shift.
    """

    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def of_matrix(cls, matrix: NDArray, shape: Sequence[int], spacing: Sequence[float]) -> "RigidMotion":
        """The motion that a matrix describes.

        Args:
            matrix: 4×4 rigid, as :meth:`matrix` returns it.
            shape: Voxels (z, y, x).
            spacing: Voxel size (z, y, x) in mm.
        """
        middle = _middle(shape, spacing)
        shift = matrix[:3, :3] @ middle + matrix[:3, 3] - middle
        angles = Rotation.from_matrix(matrix[:3, :3]).as_euler("ZYX")
        voxels = shift[::-1] / np.asarray(spacing, dtype=float)
        return cls(tuple(voxels.tolist()), tuple(angles.tolist()))

    def matrix(self, shape: Sequence[int], spacing: Sequence[float]) -> NDArray[np.float64]:
        """4×4 matrix that says where every point goes.

        Points are (x, y, z) in mm along the grid's axes, the middle of the first voxel being the origin.

        Args:
            shape: Voxels (z, y, x).
            spacing: Voxel size (z, y, x) in mm.
        """
        middle = _middle(shape, spacing)
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("ZYX", self.rotation).as_matrix()
        shift = np.multiply(self.translation, spacing)[::-1]
        matrix[:3, 3] = middle + shift - matrix[:3, :3] @ middle
        return matrix

    def applied(self, volume: Float[Tensor, "z y x"], spacing: Sequence[float]) -> Float[Tensor, "z y x"]:
        """A volume with its content moved; voxel size (z, y, x) in mm."""
        translation, rotation = torch.tensor([self.translation]), torch.tensor([self.rotation])
        return displace(volume[None], translation, rotation, spacing)[0]


def mean_displacement_mm(motion: RigidMotion, mask: Bool[np.ndarray, "z y x"], spacing: Sequence[float]) -> float:
    """How far a motion carries the voxels of a mask, on average.

    Args:
        motion: The motion.
        mask: The brain.
        spacing: Voxel size (z, y, x) in mm.

    Raises:
        ValueError: The mask is empty.
    """
    index = np.argwhere(mask)
    if not len(index):
        raise ValueError("the brain mask is empty: nothing moves")
    points = index[:: max(1, len(index) // _POINTS), ::-1] * np.asarray(spacing, dtype=float)[::-1]
    matrix = motion.matrix(mask.shape, spacing)
    return float(np.linalg.norm(points @ (matrix[:3, :3] - np.eye(3)).T + matrix[:3, 3], axis=1).mean())


def _middle(shape: Sequence[int], spacing: Sequence[float]) -> NDArray[np.float64]:
    """The middle of the grid, (x, y, z) in mm."""
    return ((np.asarray(shape) - 1) / 2 * np.asarray(spacing, dtype=float))[::-1]
