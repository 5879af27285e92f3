"""Laying the common model grid over one subject."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)

from mrisynth_pipeline.imaging.geometry import Grid, grid_of
from mrisynth_pipeline.imaging.parameters import GridParameters


@dataclass(frozen=True)
class PlacedGrid:
    """The model grid in a subject's space.

    Args:
        grid: Its voxels in the reference's world.
        cut_mm: How much longer than the grid the foreground is, along (x, y, z).
    """

    grid: Grid
    cut_mm: tuple[float, float, float]


def place_grid(reference: sitk.Image, foreground: sitk.Image, parameters: GridParameters) -> PlacedGrid:
    """Centre the model grid on the foreground's bounding box, along the reference's own axes.

    A foreground taller than the grid keeps its top: below is spinal cord or neck, above is cortex.
    Where the model's voxel size is the reference's, the grid is laid onto the reference's voxels, so that
    resampling is a crop and no value changes.

    Args:
        reference: The reference contrast, RAS+ axes.
        foreground: uint8 mask on voxels whose axes are the reference's.
        parameters: Size and spacing of the grid.
    """
    size, spacing = np.asarray(parameters.size), np.asarray(parameters.spacing_mm)
    mask = grid_of(foreground)
    where = np.nonzero(sitk.GetArrayViewFromImage(foreground))[::-1]
    low = np.array([axis.min() - 0.5 for axis in where])  # outer faces of the first and last voxels
    high = np.array([axis.max() + 0.5 for axis in where])
    direction = mask.affine[:3, :3] / mask.spacing
    middle = mask.affine[:3, :3] @ ((low + high) / 2) + mask.affine[:3, 3]
    excess = np.maximum((high - low) * mask.spacing - size * spacing, 0.0)
    middle = middle + direction[:, 2] * excess[2] / 2
    affine = np.eye(4)
    affine[:3, :3] = direction * spacing
    affine[:3, 3] = middle - affine[:3, :3] @ ((size - 1) / 2)
    own = grid_of(reference)
    if np.allclose(own.spacing, spacing, atol=1e-3):
        to_index = np.linalg.inv(own.affine)
        first = np.rint((to_index @ affine)[:3, 3])
        affine = own.affine.copy()
        affine[:3, 3] = own.affine[:3, :3] @ first + own.affine[:3, 3]
    return PlacedGrid(Grid(tuple(int(n) for n in size), affine), tuple(excess.tolist()))
