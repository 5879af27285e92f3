"""Is what is expected what comes? Mean error beside mean expected error, voxels sorted into bins by the latter."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from mrisynth_pipeline.metrics.uncertainty import curve_columns

N_BINS = 10


def reliability_columns(
    error: Float[np.ndarray, " voxel"], expected: Float[np.ndarray, " voxel"], reference: Sequence[float]
) -> dict[str, float]:
    """Sums over the voxels of one volume in every bin: those of several volumes add up to one diagram.

    Args:
        error: Absolute error.
        expected: What was expected.
        reference: Values whose deciles part the bins, the same for all volumes of a target.

    Returns:
        ``voxels_0`` … ``voxels_9``, ``error_sum_0`` …, ``expected_sum_0`` …, from the smallest expected error up.
    """
    edges = np.quantile(reference, np.linspace(0, 1, N_BINS + 1)[1:-1])
    where = np.searchsorted(edges, expected)
    sums = {
        name: np.bincount(where, weights=weights, minlength=N_BINS).tolist()
        for name, weights in (("voxels", None), ("error_sum", error), ("expected_sum", expected))
    }
    return {f"{name}_{number}": float(value) for name, values in sums.items() for number, value in enumerate(values)}


def reliability_diagram(scores: pd.DataFrame) -> list[dict[str, float]]:
    """The bins of all volumes of a table together; empty ones are left out.

    Args:
        scores: Rows with :func:`reliability_columns`.

    Returns:
        Per bin ``voxels`` (their share), ``expected`` and ``error`` (means).
    """
    total = sum(scores[f"voxels_{number}"].sum() for number in range(N_BINS))
    bins = []
    for number in range(N_BINS):
        voxels = scores[f"voxels_{number}"].sum()
        if voxels:
            means = {name: float(scores[f"{name}_sum_{number}"].sum() / voxels) for name in ("expected", "error")}
            bins.append({"voxels": float(voxels / total), **means})
    return bins


def calibration_error(bins: Sequence[dict[str, float]]) -> float:
    """Mean distance between expected and measured error over the bins, each as heavy as it has voxels."""
    return float(sum(part["voxels"] * abs(part["error"] - part["expected"]) for part in bins))


def summarise_expected_errors(scores: pd.DataFrame) -> dict[str, Any]:
    """How well the expected error and the spread alone order the errors of every contrast, and how true it is.

    Args:
        scores: Of one method, from :func:`mrisynth_pipeline.evaluation.calibration.score_expected_error`.

    Returns:
        JSON-ready: ``subjects``, ``scans``, ``rows``, one per ``target`` and ``ordered_by``, and ``overall``, one per
        ``ordered_by``: ``error`` and ``expected`` (means), ``spearman``, ``ause``, ``left`` (mean error left over the
        mean error, for each of :data:`~mrisynth_pipeline.metrics.uncertainty.SHARES`, mean over scans), ``falls`` (1 if
        it falls at every share), ``bins`` (the reliability diagram) and ``calibration_error``.
    """
    rows = [
        {"target": str(target), "ordered_by": str(ordered_by)} | _summary(part)
        for (target, ordered_by), part in scores.groupby(["target", "ordered_by"])
    ]
    overall = [{"ordered_by": str(name)} | _summary(part) for name, part in scores.groupby("ordered_by")]
    return {
        "subjects": int(scores["subject"].nunique()),
        "scans": len(scores) // 2,
        "rows": rows,
        "overall": overall,
    }


def _summary(scores: pd.DataFrame) -> dict[str, Any]:
    left = scores[curve_columns("left")].div(scores["error"].clip(lower=1e-9), axis=0).mean()
    bins = reliability_diagram(scores)
    return {
        "error": float(scores["error"].mean()),
        "expected": float(scores["deviation"].mean()),
        "spearman": float(scores["spearman"].mean()),
        "ause": float(scores["ause"].mean()),
        "left": left.tolist(),
        # 5 % of few voxels may be none of them: a step without voxels is no rise.
        "falls": int((np.diff(left) <= 0).all() and left.iloc[-1] < left.iloc[0]),
        "bins": bins,
        "calibration_error": calibration_error(bins),
    }
