"""Which methods can be told apart by their ranks: Friedman's test and the critical difference of Nemenyi."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mrisynth_pipeline.metrics.comparison import SIGNIFICANCE

_MANY_GROUPS = 1e6  # degrees of freedom that stand for infinity: 1e9 fails numerically


def critical_difference(n_methods: int, n_subjects: int, level: float = SIGNIFICANCE) -> float:
    """Smallest difference of mean ranks that the Nemenyi test calls significant (Demšar 2006, section 3.2.2).

    q·√(k(k + 1)/(6N)), with q the quantile of the studentised range for k means and infinite degrees of freedom,
    over √2.

    Args:
        n_methods: k, at least 2.
        n_subjects: N.
        level: Of the test.
    """
    q = stats.studentized_range.ppf(1 - level, n_methods, _MANY_GROUPS) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_subjects)))


def rank_methods(
    scores: pd.DataFrame, methods: Sequence[str], column: str, *, higher_is_better: bool
) -> dict[str, Any]:
    """Rank the methods on every subject, and say which mean ranks differ.

    Subjects are the blocks: of each the mean over the (inputs, target) pairs that all methods were scored on. Seeds are
    to be averaged before.

    Args:
        scores: One row per method × subject × inputs × target, with ``column``.
        methods: At least two.
        column: The measure.
        higher_is_better: Its direction.

    Returns:
        ``measure``, ``n_subjects``, ``mean_ranks`` (method → mean rank, 1 the best, ties shared; best first),
        ``friedman`` (``statistic``, ``p``; ``None`` for fewer than three methods or two subjects), ``iman_davenport``
        (the less conservative F; ``None`` as above, or where all subjects agree and F is infinite), ``critical``
        (difference of mean ranks; ``None`` as above), ``groups`` (sets of two or more methods, each as large as can be,
        whose ranks differ by less), and ``words``: sentences that put it right.
    """
    keys = ["subject", "inputs", "target"]
    chosen = scores[scores["method"].isin(methods)]
    wide = chosen.pivot(index=keys, columns="method", values=column).reindex(columns=list(methods)).dropna()
    means = wide.groupby(level="subject").mean()
    ranks = means.rank(axis=1, ascending=not higher_is_better)
    order = ranks.mean().sort_values(kind="stable")
    n, k = len(means), len(methods)
    found: dict[str, Any] = {
        "measure": column,
        "n_subjects": n,
        "mean_ranks": {str(name): float(rank) for name, rank in order.items()},
        "friedman": None,
        "iman_davenport": None,
        "critical": None,
        "groups": [],
        "words": [],
    }
    if k < 3 or n < 2:
        found["words"] = [f"With {k} methods on {n} subjects ranks tell nothing."]
        return found
    test = stats.friedmanchisquare(*means.to_numpy().T)
    statistic = float(test.statistic)
    found["friedman"] = {"statistic": statistic, "p": float(test.pvalue)}
    if n * (k - 1) - statistic > 1e-9:
        f = (n - 1) * statistic / (n * (k - 1) - statistic)
        found["iman_davenport"] = {"statistic": f, "p": float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))}
    found["critical"] = critical_difference(k, n)
    found["groups"] = _groups(list(order.items()), found["critical"])
    found["words"] = _words(found, k)
    return found


def _groups(order: Sequence[tuple[str, float]], critical: float) -> list[list[str]]:
    """Runs of methods, best first, whose first and last ranks differ by less; none inside another."""
    groups, reached = [], 0
    for start, (_, first) in enumerate(order):
        end = max(place for place, (_, rank) in enumerate(order) if rank - first < critical)
        if end > start and end > reached:
            groups.append([str(name) for name, _ in order[start : end + 1]])
        reached = max(reached, end)
    return groups


def _words(found: dict[str, Any], k: int) -> list[str]:
    p = found["friedman"]["p"]
    if p > SIGNIFICANCE:
        return [f"Friedman's test finds no difference at all between the methods (p = {p:.3f})."]
    shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    words = [f"Friedman's test: the methods differ ({shown})."]
    if found["critical"] >= k - 1:
        words.append(f"With {found['n_subjects']} subjects no two ranks of {k} methods could be told apart.")
    return words
