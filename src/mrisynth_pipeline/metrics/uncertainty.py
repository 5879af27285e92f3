"""Does a standard deviation know where an imputation is wrong? One volume at a time."""

import numpy as np
from jaxtyping import Float
from scipy import stats

SHARES: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the voxels that are set aside along a sparsification curve."""


def curve_columns(name: str) -> list[str]:
    """Columns of a score table that hold a curve: ``left_0``, ``left_5``, …, named by the percentage set aside."""
    return [f"{name}_{round(100 * share)}" for share in SHARES]


def uncertainty_scores(error: Float[np.ndarray, " voxel"], deviation: Float[np.ndarray, " voxel"]) -> dict[str, float]:
    """How well the standard deviation orders the errors of one volume.

    Args:
        error: Absolute error of the imputation per voxel of the brain, in the unit range.
        deviation: Standard deviation that the method gives at the same voxels, in the same unit.

    Returns:
        - ``error``, ``deviation``: their means.
        - ``spearman``, ``pearson``: correlation over the voxels; NaN where the deviation or the error is the same
          everywhere, of which no order can be said.
        - ``left_0`` … ``left_90``: mean error of what is left when that percentage of the voxels, the most uncertain,
          is set aside (the sparsification curve); ``oracle_0`` … the same with the most wrong voxels set aside.
        - ``ause``: area between the two curves (Ilg et al., ECCV 2018) over the same area for voxels set aside at
          random, whose curve is flat: 0 is perfect, 1 as good as chance, more is worse. NaN for a constant error.

    Raises:
        ValueError: The shapes differ, there is no voxel, or a value is negative or not finite.
    """
    error, deviation = (np.asarray(values, dtype=np.float64).ravel() for values in (error, deviation))
    if error.shape != deviation.shape or not len(error):
        raise ValueError(f"there are {len(error)} errors and {len(deviation)} standard deviations: nothing to compare")
    if not (np.isfinite(error).all() and np.isfinite(deviation).all() and min(error.min(), deviation.min()) >= 0):
        raise ValueError("errors and standard deviations must be finite and not below 0")
    spearman, pearson = correlations(error, deviation)
    left, oracle = sparsification(error, deviation), sparsification(error, error)
    by_chance = np.trapezoid(error.mean() - oracle, SHARES)
    return {
        "error": float(error.mean()),
        "deviation": float(deviation.mean()),
        "spearman": spearman,
        "pearson": pearson,
        **dict(zip(curve_columns("left"), left.tolist(), strict=True)),
        **dict(zip(curve_columns("oracle"), oracle.tolist(), strict=True)),
        "ause": float(np.trapezoid(left - oracle, SHARES) / by_chance) if np.ptp(error) > 0 else float("nan"),
    }


def sparsification(
    error: Float[np.ndarray, " voxel"], uncertainty: Float[np.ndarray, " voxel"]
) -> Float[np.ndarray, " share"]:
    """Mean error left when the most uncertain voxels are set aside, for each of :data:`SHARES`.

    Equally uncertain voxels are set aside in random order; the curve is what this gives on average, so that a constant
    uncertainty leaves the mean error as it is instead of following the order of the voxels in memory.

    Args:
        error: Absolute error per voxel.
        uncertainty: By which the voxels are ordered.
    """
    order = np.argsort(uncertainty, kind="stable")
    first = np.flatnonzero(np.diff(uncertainty[order], prepend=np.nan) != 0)  # of every run of equal ones
    sizes = np.diff(first, append=len(order))
    expected = np.repeat(np.add.reduceat(error[order], first) / sizes, sizes)
    kept = len(order) - np.floor(np.asarray(SHARES) * len(order) + 1e-9).astype(int)
    return np.cumsum(expected)[kept - 1] / kept


def correlations(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Spearman's and Pearson's correlation; NaN for fewer than three values or where one side is constant."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan"), float("nan")
    ranks = stats.rankdata(first), stats.rankdata(second)
    return float(np.corrcoef(*ranks)[0, 1]), float(np.corrcoef(first, second)[0, 1])
