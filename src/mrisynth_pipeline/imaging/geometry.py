"""Where voxels lie in the world: grids, affines, and the one resampling.

The project speaks NIfTI: world coordinates in mm, RAS+ (x grows to the right, y to the front, z up).
ITK speaks LPS. This module is the border: nothing outside it sees an LPS number except through
``SimpleITK.Image`` objects, which carry their own geometry.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_INTERPOLATORS = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline, "nearest": sitk.sitkNearestNeighbor}


@dataclass(frozen=True)
class Grid:
    """A voxel grid in the world.

    Args:
        size: Number of voxels (x, y, z).
        affine: 4×4 matrix from voxel index (x, y, z) to RAS world coordinates in mm.
    """

    size: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size (x, y, z) in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def matches(self, other: "Grid", tolerance_mm: float = 0.1) -> bool:
        """Whether two grids have the same voxels: same size, corners within ``tolerance_mm``."""
        if self.size != other.size:
            return False
        corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
        corners[:, :3] *= np.asarray(self.size) - 1
        distance = np.linalg.norm((corners @ (self.affine - other.affine).T)[:, :3], axis=1)
        return bool(distance.max() <= tolerance_mm)


def grid_of(image: sitk.Image) -> Grid:
    """The grid an ITK image lies on."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return Grid(tuple(image.GetSize()), _LPS_FROM_RAS @ affine)


def image_on(array: NDArray, grid_affine: ArrayLike) -> sitk.Image:
    """An ITK image from voxels.

    Args:
        array: Voxels ``[z, y, x]``.
        grid_affine: 4×4 RAS affine of the voxel index (x, y, z).

    Returns:
        The image with ITK geometry (LPS) that describes the same points in space.
    """
    affine = _LPS_FROM_RAS @ np.asarray(grid_affine, dtype=float)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def itk_transform(matrix: ArrayLike) -> sitk.AffineTransform:
    """The ITK transform (LPS) of a 4×4 RAS matrix that maps output points to input points."""
    lps = _LPS_FROM_RAS @ np.asarray(matrix, dtype=float) @ _LPS_FROM_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    return transform


def ras_matrix(transform: sitk.Transform) -> NDArray[np.float64]:
    """The 4×4 RAS matrix of a linear ITK transform (rigid, affine, or a composition of those)."""
    origin = np.asarray(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.asarray(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    lps = np.eye(4)
    lps[:3, :3] = np.column_stack(columns)
    lps[:3, 3] = origin
    return _LPS_FROM_RAS @ lps @ _LPS_FROM_RAS


def resample(image: sitk.Image, grid: Grid, matrix: ArrayLike | None = None, interpolation: str = "linear") -> NDArray:
    """Bring an image onto a grid in one step; points outside the image become 0.

    Args:
        image: The image to sample.
        grid: Where to sample it.
        matrix: 4×4 RAS matrix from world points of the grid to world points of the image; ``None``: identity.
        interpolation: ``linear``, ``bspline`` (third order) or ``nearest``.

    Returns:
        Voxels ``[z, y, x]`` on the grid, in the image's own number type.
    """
    affine = _LPS_FROM_RAS @ grid.affine
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in grid.size])
    resampler.SetOutputSpacing(grid.spacing.tolist())
    resampler.SetOutputDirection((affine[:3, :3] / grid.spacing).ravel().tolist())
    resampler.SetOutputOrigin(affine[:3, 3].tolist())
    resampler.SetInterpolator(_INTERPOLATORS[interpolation])
    if matrix is not None:
        resampler.SetTransform(itk_transform(matrix))
    return sitk.GetArrayFromImage(resampler.Execute(image))


def smooth_for(image: sitk.Image, spacing_mm: ArrayLike) -> sitk.Image:
    """Blur an image so that sampling it at a coarser spacing does not alias.

    A voxel is taken as a Gaussian of full width at half maximum equal to its size; the blur makes up the
    difference of the two (Cardoso et al., "Scale factor point spread function matching", MICCAI 2015).
    Axes that are not coarsened stay untouched, bit for bit.

    Args:
        image: The image to be sampled.
        spacing_mm: Voxel size it will be sampled at, along the image's own axes.
    """
    own = np.asarray(image.GetSpacing())
    variance = np.maximum(np.asarray(spacing_mm, dtype=float) ** 2 - own**2, 0.0) / (8 * np.log(2))
    for axis in range(3):
        # Less than a tenth of a voxel of blur is noise of the spacing's rounding, not a coarser grid.
        if variance[axis] > (0.1 * own[axis]) ** 2 and image.GetSize()[axis] >= 4:
            image = sitk.RecursiveGaussian(image, float(np.sqrt(variance[axis])), False, 0, axis)
    return image


def centre_of_mass(image: sitk.Image) -> tuple[float, float, float]:
    """Intensity-weighted centre of an image or mask, ITK world coordinates in mm."""
    index = ndimage.center_of_mass(sitk.GetArrayViewFromImage(image))
    return image.TransformContinuousIndexToPhysicalPoint([float(v) for v in index[::-1]])


def shrink_to(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Average neighbouring voxels so that no axis is much finer than ``spacing_mm`` (for speed).

    At least eight voxels are left along each axis: recursive filters need some room.
    """
    voxels = zip(image.GetSize(), image.GetSpacing(), strict=True)
    factors = [max(1, min(round(spacing_mm / own), size // 8)) for size, own in voxels]
    return sitk.BinShrink(image, factors) if max(factors) > 1 else image
