"""Is one method better than another? Paired over subjects, corrected for the number of questions asked."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from mrisynth_pipeline.metrics.resampling import mean_with_interval

SIGNIFICANCE = 0.05
"""Level of the tests."""

_EXACT_UP_TO = 13  # 2^13 sign patterns are enumerated in milliseconds


def wilcoxon_signed_rank(differences: Sequence[float] | np.ndarray) -> dict[str, float | int]:
    """Two-sided Wilcoxon signed-rank test with the matched-pairs rank-biserial correlation.

    Zero differences are set aside (Wilcoxon's own rule). Up to 13 remaining differences the p-value is exact,
    ties included; beyond, SciPy chooses between the exact distribution and the normal approximation.

    Args:
        differences: One paired difference per subject.

    Returns:
        ``n`` subjects, ``n_nonzero``, ``p`` and ``effect_size``: the rank-biserial correlation
        (W₊ − W₋)/(W₊ + W₋) of Kerby (2014), 1 if every subject favours the first method, −1 if every subject
        favours the second. Without any non-zero difference p is 1 and the effect 0.
    """
    differences = np.asarray(differences, dtype=float)
    nonzero = differences[differences != 0]
    counts = {"n": len(differences), "n_nonzero": len(nonzero)}
    if len(nonzero) == 0:
        return counts | {"p": 1.0, "effect_size": 0.0}
    ranks = stats.rankdata(np.abs(nonzero))
    effect = float((ranks * np.sign(nonzero)).sum() / ranks.sum())
    if len(nonzero) == 1:  # either sign is as likely; SciPy's enumeration wants at least two
        return counts | {"p": 1.0, "effect_size": effect}
    enumerate_all = stats.PermutationMethod(n_resamples=2**_EXACT_UP_TO)
    p = stats.wilcoxon(nonzero, method=enumerate_all if len(nonzero) <= _EXACT_UP_TO else "auto").pvalue
    return counts | {"p": float(p), "effect_size": effect}


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of Holm's step-down procedure (1979), in the order given.

    Args:
        p_values: Raw p-values of one family of questions.

    Returns:
        Adjusted values: rejecting those at most α keeps the family-wise error at most α.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return adjusted.tolist()


def compare_methods(
    per_subject: pd.DataFrame,
    methods: Sequence[str],
    column: str,
    *,
    higher_is_better: bool,
    reference: str | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> list[dict[str, object]]:
    """Every method against every other, or all against one, on one measure, as one Holm family.

    Args:
        per_subject: Scores, one row per method × subject × (inputs, target), with ``column``.
        methods: Methods to compare.
        column: The measure.
        higher_is_better: Its direction.
        reference: The method that all others are compared with; ``None`` compares every pair.
        n_resamples: Bootstrap samples of the differences' intervals.
        seed: Seed of the bootstrap.

    Returns:
        One entry per pair of methods: ``measure``, ``first``, ``second``, ``n`` subjects,
        ``mean_difference`` (first − second, in the measure's unit) with its bootstrap interval ``ci_low`` and
        ``ci_high`` (95 %, of this comparison alone; ``None`` for one subject), ``effect_size`` (positive: first is
        better), ``p``, ``p_holm``, ``significant`` and ``note`` (why significance was out of reach, or "").
    """
    entries = []
    pairs = combinations(methods, 2) if reference is None else [(m, reference) for m in methods if m != reference]
    for first, second in pairs:
        differences = _paired_differences(per_subject, first, second, column)
        if len(differences) == 0:
            continue
        test = wilcoxon_signed_rank(differences if higher_is_better else -differences)
        entries.append(
            {"measure": column, "first": first, "second": second}
            | {"n": test["n"], "mean_difference": float(differences.mean())}
            | _interval(differences, n_resamples, seed)
            | {"effect_size": test["effect_size"], "p": test["p"]}
        )
    for entry, adjusted in zip(entries, holm([entry["p"] for entry in entries]), strict=True):
        entry["p_holm"] = adjusted
        entry["significant"] = adjusted <= SIGNIFICANCE
        entry["note"] = _reach(entry["n"], len(entries))
    return entries


def _interval(differences: np.ndarray, n_resamples: int, seed: int) -> dict[str, float | None]:
    found = mean_with_interval(differences, n_resamples=n_resamples, seed=seed)
    return {"ci_low": found["ci_low"], "ci_high": found["ci_high"]}


def _paired_differences(scores: pd.DataFrame, first: str, second: str, column: str) -> np.ndarray:
    """Per-subject mean difference over the (inputs, target) pairs that both methods were scored on."""
    keys = ["subject", "inputs", "target"]
    wide = scores[scores["method"].isin([first, second])].pivot(index=keys, columns="method", values=column)
    paired = wide.reindex(columns=[first, second]).dropna()  # a method that was never scored shares nothing
    return (paired[first] - paired[second]).groupby(level="subject").mean().to_numpy()


def _reach(n: int, n_questions: int) -> str:
    """Empty, or a sentence saying that n subjects could never have reached significance."""
    smallest = min(1.0, n_questions * 2.0 ** (1 - n))  # all n signs equal: two of 2^n sign patterns
    if smallest <= SIGNIFICANCE:
        return ""
    return (
        f"{n} subject{'s are' if n > 1 else ' is'} too few: even if all of them agreed, the corrected p could "
        f"not fall below {smallest:.2g} with {n_questions} comparison{'s' if n_questions > 1 else ''}"
    )
