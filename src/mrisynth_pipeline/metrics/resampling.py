"""Mean, spread and bootstrap confidence interval over subjects."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def mean_with_interval(
    values: Sequence[float] | np.ndarray, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> dict[str, float | int | None]:
    """Mean over subjects with its percentile bootstrap interval (Efron 1979).

    Percentile rather than BCa: the acceleration of BCa is itself an estimate from n values and breaks
    down (NaN) for the handful of equal values that a small test set gives. With few subjects the interval
    is somewhat too narrow, as every bootstrap interval is.

    Args:
        values: One value per subject; NaN marks a subject without one and is left out.
        confidence: Coverage aimed at.
        n_resamples: Bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        ``n``, ``mean``, ``sd`` (n − 1 in the denominator; ``None`` for n < 2), ``ci_low`` and ``ci_high``
        (``None`` for n < 2); the mean of no value at all is ``None``.
    """
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    if len(known) < 2:
        mean = float(known[0]) if len(known) else None
        return {"n": len(known), "mean": mean, "sd": None, "ci_low": None, "ci_high": None}
    interval = stats.bootstrap(
        (known,),
        np.mean,
        confidence_level=confidence,
        n_resamples=n_resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return {
        "n": len(known),
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)),
        "ci_low": float(interval.low),
        "ci_high": float(interval.high),
    }


def paired_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """First minus second, with what is a mere rounding of equal means as exactly 0.

    An interval of such roundings would lie on one side of 0 and be called a finding.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return np.where(np.isclose(first, second, rtol=1e-9, atol=0.0), 0.0, first - second)
