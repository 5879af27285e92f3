"""The voxel grid on which the digital head lives: axis-aligned, RAS+, in the anatomy's own world (mm)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import ndimage

HEAD_BOX_MM = np.array([[-100.0, 100.0], [-140.0, 116.0], [-130.0, 112.0]])
"""First and last voxel centre along x (right), y (anterior), z (superior); the origin is the anterior
commissure, as in MNI space. Random fields are laid out over this box, so that a subject is the same person
at every voxel size."""


@dataclass(frozen=True)
class HeadGrid:
    """Isotropic RAS+ grid over ``HEAD_BOX_MM``; arrays on it are indexed ``[x, y, z]`` as in NIfTI."""

    spacing_mm: float

    @cached_property
    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """World coordinates (mm) of the voxel centres along x, y and z."""
        x, y, z = (np.arange(low, high + 1e-6, self.spacing_mm) for low, high in HEAD_BOX_MM)
        return x, y, z

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        x, y, z = self.axes
        return len(x), len(y), len(z)

    @property
    def affine(self) -> Float[np.ndarray, "4 4"]:
        """Voxel index → anatomy world (RAS, mm)."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = HEAD_BOX_MM[:, 0]
        return affine

    def mesh(self) -> Float[np.ndarray, "3 x y z"]:
        """World coordinates (mm) of every voxel centre, float32."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij")).astype(np.float32)


def resize(volume: np.ndarray, source: HeadGrid, target: HeadGrid) -> np.ndarray:
    """Bring a smooth map ``[..., x, y, z]`` from one head grid to another, by separable linear interpolation."""
    if source.spacing_mm == target.spacing_mm:
        return volume
    result = volume
    for axis, (wanted, given) in enumerate(zip(target.axes, source.axes, strict=True)):
        position = np.clip((wanted - given[0]) / source.spacing_mm, 0, len(given) - 1)
        low = np.minimum(position.astype(int), len(given) - 2)
        share = (position - low).astype(np.float32).reshape(-1, *[1] * (2 - axis))
        before = np.take(result, low, axis=axis - 3)
        rise = np.take(result, low + 1, axis=axis - 3)
        rise -= before
        rise *= share
        result = before
        result += rise
    return result


def sample(
    volume: Float[np.ndarray, "i j k"],
    points_mm: Float[np.ndarray, "3 *shape"],
    first_mm: np.ndarray,
    spacing_mm: float,
    *,
    outside: float | None = None,
) -> Float[np.ndarray, "*shape"]:
    """Read an axis-aligned RAS+ volume at world points, trilinearly.

    Args:
        volume: Values on an isotropic grid.
        points_mm: World coordinates, first axis (x, y, z).
        first_mm: World coordinates of voxel (0, 0, 0).
        spacing_mm: Voxel size of ``volume``.
        outside: Value beyond the volume; ``None`` repeats the border.

    Returns:
        float32 values in the shape of the points.
    """
    index = (points_mm - np.asarray(first_mm, np.float32).reshape(3, *[1] * (points_mm.ndim - 1))) / np.float32(
        spacing_mm
    )
    mode = "nearest" if outside is None else "constant"
    return ndimage.map_coordinates(volume, index, output=np.float32, order=1, mode=mode, cval=outside or 0.0)
