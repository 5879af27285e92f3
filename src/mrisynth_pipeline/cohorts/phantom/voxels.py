"""The voxels a head occupies, as flat lists: air, which is more than half of the box, costs nothing."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from mrisynth_pipeline.cohorts.phantom.atlas import Atlas
from mrisynth_pipeline.cohorts.phantom.deformation import coarse_grid
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid, resize, sample
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field


@dataclass(frozen=True)
class HeadVoxels:
    """The voxels of one head; all arrays are flat lists over them.

    Attributes:
        grid: The grid they are voxels of.
        generator: Source of this person's random fields.
        index: Flat index into the grid.
        points: Where each voxel comes from in the atlas, mm.
        brain: Share of the voxel inside the brain mask, CSF included, [0, 1].
        brain_distance: Distance from the smoothed brain surface in mm, positive outside.
        head_depth: Depth under the skin in mm.
        near_ventricles: 1 at the ventricles, falling to 0 over about a centimetre.
    """

    grid: HeadGrid
    generator: np.random.Generator = field(repr=False)
    index: Int[np.ndarray, " n"]
    points: Float[np.ndarray, "3 n"]
    brain: Float[np.ndarray, " n"]
    brain_distance: Float[np.ndarray, " n"]
    head_depth: Float[np.ndarray, " n"]
    near_ventricles: Float[np.ndarray, " n"]

    def random(self, control_mm: float) -> Float[np.ndarray, " n"]:
        """A new random field of mean 0 and standard deviation 1 at the voxels."""
        return random_field(self.generator, self.grid.axes, control_mm).ravel()[self.index]

    def soft(self, distance_mm: Float[np.ndarray, " k"], limit_mm: float = 0.0) -> Float[np.ndarray, " k"]:
        """Share of a voxel within a limit, from the distance of its centre (signed, negative inside, for 0)."""
        return np.clip(0.5 - (distance_mm - np.float32(limit_mm)) / np.float32(self.grid.spacing_mm), 0, 1)

    def dense(self, values: Float[np.ndarray, " n"], elsewhere: float = 0.0) -> Float[np.ndarray, "x y z"]:
        """A list of values as a map over the whole grid."""
        result = np.full(int(np.prod(self.grid.shape)), elsewhere, np.float32)
        result[self.index] = values
        return result.reshape(self.grid.shape)


def occupied_voxels(
    generator: np.random.Generator, atlas: Atlas, grid: HeadGrid, displacement: Float[np.ndarray, "3 x y z"]
) -> HeadVoxels:
    """Find the voxels of a head and where they come from.

    Args:
        generator: Source of this person's random fields.
        atlas: The average head.
        grid: Voxel grid of the head.
        displacement: The person's pull-back displacement (mm) on the coarse grid.

    Returns:
        The voxels under the skin.
    """
    # Distance maps are smooth: they are deformed at the atlas's coarse voxel size and enlarged.
    middle = HeadGrid(max(grid.spacing_mm, atlas.coarse_mm))
    points = middle.mesh() + resize(displacement, coarse_grid(), middle)
    maps = [
        resize(sample(volume, points, atlas.coarse_first_mm, atlas.coarse_mm), middle, grid).ravel()
        for volume in (atlas.head_distance, atlas.brain_distance, atlas.near_ventricles)
    ]
    del points
    index = np.flatnonzero(maps[0] > -0.5 * grid.spacing_mm).astype(np.int32)
    head_depth, brain_distance, near_ventricles = (values[index] for values in maps)
    del maps
    places = np.unravel_index(index, grid.shape)
    moved = resize(displacement, coarse_grid(), grid).reshape(3, -1)
    listed = np.empty((3, len(index)), np.float32)
    for row, axis, place, component in zip(listed, grid.axes, places, moved, strict=True):
        row[:] = axis.astype(np.float32)[place]
        row += component[index]
    del moved, places
    brain = np.zeros(len(index), np.float32)
    close = brain_distance < 4
    brain[close] = sample(atlas.brain, listed[:, close], atlas.first_mm, 1.0, outside=0.0)
    brain = np.clip((brain - 0.5) * 1.6 + 0.5, 0, 1)
    return HeadVoxels(grid, generator, index, listed, brain, brain_distance, head_depth, near_ventricles)
