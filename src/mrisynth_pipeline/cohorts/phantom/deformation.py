"""What makes one head differ from another: a smooth invertible deformation of the atlas.

A random stationary velocity field is integrated by scaling and squaring (Arsigny et al., MICCAI 2006), which gives a
diffeomorphism; the tumour's mass effect is composed with it. All maps are pull-backs: they tell for each point of
the individual which point of the atlas it comes from.
"""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from mrisynth_pipeline.cohorts.phantom.atlas import Atlas
from mrisynth_pipeline.cohorts.phantom.grid import HEAD_BOX_MM, HeadGrid, sample
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field

COARSE_MM = 4.0
"""Voxel size at which deformations are integrated; they have no finer detail."""

_SQUARINGS = 6
_CENTRE_MM = np.array([0.0, -18.0, 8.0], np.float32).reshape(3, 1, 1, 1)
"""Middle of the brain, the fixed point of the change in size."""


def coarse_grid() -> HeadGrid:
    """The grid deformations are computed on."""
    return HeadGrid(COARSE_MM)


def compose(outer: Float[np.ndarray, "3 x y z"], inner: Float[np.ndarray, "3 x y z"]) -> Float[np.ndarray, "3 x y z"]:
    """Displacement (mm) of x -> outer(inner(x)), both on the coarse grid: inner(x) + outer at the moved point."""
    points = coarse_grid().mesh() + inner
    moved = [sample(component, points, HEAD_BOX_MM[:, 0], COARSE_MM) for component in outer]
    return inner + np.stack(moved)


def integrate(velocity: Float[np.ndarray, "3 x y z"]) -> Float[np.ndarray, "3 x y z"]:
    """Displacement (mm) reached after unit time along a stationary velocity field (mm), coarse grid."""
    displacement = velocity / np.float32(2**_SQUARINGS)
    for _ in range(_SQUARINGS):
        displacement = compose(displacement, displacement)
    return displacement


def jacobian_determinant(
    displacement: Float[np.ndarray, "3 x y z"], spacing_mm: float = COARSE_MM
) -> Float[np.ndarray, "x y z"]:
    """Local volume ratio of x -> x + displacement(x); positive everywhere means no folding."""
    gradient = np.stack([np.stack(np.gradient(component, spacing_mm)) for component in displacement])
    matrix = np.moveaxis(gradient, (0, 1), (-2, -1)) + np.eye(3, dtype=np.float32)
    return np.linalg.det(matrix)


def individual_displacement(generator: np.random.Generator, atlas: Atlas) -> Float[np.ndarray, "3 x y z"]:
    """Draw one person's pull-back displacement, size and ventricles included.

    The templates are left-right symmetric, so a mirror image would change nothing: asymmetry comes from the
    deformation itself.

    Args:
        generator: Source of randomness.
        atlas: The average head.

    Returns:
        Displacement in mm on the coarse grid, added to a point to find it in the atlas.
    """
    grid = coarse_grid()
    # Skull and scalp are smooth: the finer part of the deformation belongs to the brain alone.
    distance = sample(atlas.brain_distance, grid.mesh(), atlas.coarse_first_mm, atlas.coarse_mm)
    inside = np.clip(0.6 - distance / 10.0, 0, 1)
    velocity = np.stack(
        [
            3.4 * random_field(generator, grid.axes, 48.0) + 1.4 * inside * random_field(generator, grid.axes, 17.0)
            for _ in range(3)
        ]
    ).astype(np.float32)
    # Reading nearer to the ventricles than we stand widens them: velocity along the gradient of their blurred map.
    blurred = ndimage.gaussian_filter(atlas.ventricles, 7.0 / atlas.coarse_mm)
    towards = np.stack([sample(c, grid.mesh(), HEAD_BOX_MM[:, 0], atlas.coarse_mm) for c in np.gradient(blurred)])
    peak = np.abs(towards).max()
    velocity += np.float32(generator.uniform(-0.5, 3.5) / peak) * towards
    displacement = integrate(velocity)
    # MNI space is larger than most heads.
    size = generator.normal(0.95, (0.03, 0.035, 0.03)).clip(0.87, 1.03).astype(np.float32)
    resize = (grid.mesh() - _CENTRE_MM) * (1.0 / size - 1.0).reshape(3, 1, 1, 1)
    return compose(resize.astype(np.float32), displacement)


def mass_effect(
    centre_mm: np.ndarray, radius_mm: float, push_mm: float, brain_depth: Float[np.ndarray, "x y z"]
) -> Float[np.ndarray, "3 x y z"]:
    """Pull-back displacement of tissue pushed outwards by a growing tumour.

    The push rises from 0 at the centre to its maximum at the tumour's edge and fades beyond it; near the skull, which
    does not give, it fades to 0.

    Args:
        centre_mm: Centre of the tumour.
        radius_mm: Radius of its core.
        push_mm: Largest shift; cut at 0.3 radii, far from where it would fold (0.6).
        brain_depth: Depth under the brain's surface in mm on the coarse grid, negative outside.

    Returns:
        Displacement in mm on the coarse grid.
    """
    push_mm = min(push_mm, 0.3 * radius_mm)
    offset = coarse_grid().mesh() - np.asarray(centre_mm, np.float32).reshape(3, 1, 1, 1)
    distance = np.sqrt((offset**2).sum(0)) / np.float32(radius_mm)
    share = np.exp(0.5 * (1.0 - distance**2))
    beyond = 1.0 / (1.0 + np.clip(distance - 1.0, 0, None) ** 2)
    share = np.where(distance < 1.0, share, beyond)
    taper = np.clip(brain_depth / 25.0, 0.0, 1.0)
    taper = ndimage.gaussian_filter(taper * taper * (3.0 - 2.0 * taper), 1.0)
    direction = offset / np.float32(radius_mm) / np.maximum(distance, 1.0)
    return (-np.float32(push_mm) * share * taper * direction).astype(np.float32)
