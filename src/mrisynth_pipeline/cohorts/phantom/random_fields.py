"""Smooth Gaussian random fields: cubic B-splines over a lattice of independent normal coefficients.

A field is separable, so a 1 mm head costs three small matrix products, and it is defined in millimetres, so the
same generator gives the same field at every voxel size.
"""

import numpy as np
from jaxtyping import Float

from mrisynth_pipeline.cohorts.phantom.grid import HEAD_BOX_MM

_MEAN_SQUARE = 151.0 / 315.0
"""Mean over t of sum_k B_k(t)^2 for the uniform cubic B-spline: the variance a unit lattice keeps per axis."""


def _spline_matrix(axis_mm: np.ndarray, low_mm: float, high_mm: float, control_mm: float) -> np.ndarray:
    """Cubic B-spline basis [points, control points] for one axis, float32."""
    count = int(np.ceil((high_mm - low_mm) / control_mm)) + 4
    position = (np.asarray(axis_mm)[:, None] - low_mm) / control_mm + 1.5 - np.arange(count)[None, :]
    distance = np.abs(position)
    inner = 2.0 / 3.0 - distance**2 + distance**3 / 2.0
    outer = np.clip(2.0 - distance, 0.0, None) ** 3 / 6.0
    return np.where(distance < 1.0, inner, outer).astype(np.float32)


def random_field(
    generator: np.random.Generator,
    axes_mm: tuple[np.ndarray, np.ndarray, np.ndarray],
    control_mm: float,
) -> Float[np.ndarray, "x y z"]:
    """Draw one smooth random field of mean 0 and standard deviation 1.

    Args:
        generator: Source of the lattice's coefficients; what is drawn does not depend on ``axes_mm``.
        axes_mm: World coordinates of the grid's planes along x, y, z, within ``HEAD_BOX_MM``.
        control_mm: Lattice spacing; features are about twice as large.

    Returns:
        float32 values on the grid.
    """
    bases = [_spline_matrix(axis, *box, control_mm) for axis, box in zip(axes_mm, HEAD_BOX_MM, strict=True)]
    lattice = generator.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    lattice /= np.float32(_MEAN_SQUARE**1.5)
    field = np.tensordot(bases[0], lattice, axes=(1, 0))  # [x, cy, cz]
    field = np.matmul(bases[1], field)  # [x, y, cz]
    return np.matmul(field, bases[2].T)
