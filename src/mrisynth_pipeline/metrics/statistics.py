"""From a table of scores to the numbers that are reported."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.measures import MEASURES, REFERENCES, SCORE_KEYS, measures_of
from mrisynth_pipeline.metrics.resampling import mean_with_interval

_PAIR = ["inputs", "target"]
_KEYS = ["method", "subject", *_PAIR]


def summarise_scores(
    scores: pd.DataFrame,
    *,
    references: Sequence[str] = REFERENCES,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict:
    """Summarise imputation scores by pair, number of inputs, target and overall.

    Protocol ``slice`` follows the published tables: within an (inputs → target) pair the mean over all test
    slices (each row counts with its number of slices), then the plain mean over pairs. Protocol ``volume``
    takes each subject's mean over its pairs and reports mean, standard deviation and bootstrap interval over
    subjects: slices, and pairs, of one subject are no independent samples.

    Args:
        scores: One row per subject × inputs × target × method with the columns of
            :data:`~mrisynth_pipeline.metrics.measures.MEASURES`, ``n_inputs`` and ``n_slices``.
        references: Methods that have seen the truth; reported, but never compared with the others.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary::

            {n_subjects, subjects, n_slices, n_pairs, confidence, warnings: [sentence],
             methods: {method: {reference: bool, n_subjects, n_slices, n_pairs,
                 overall: {slice: {psnr, ssim, mae}, volume: {psnr: {n, mean, sd, ci_low, ci_high}, …}},
                 by_pair: [{inputs, n_inputs, target, n_subjects, n_slices, slice: …, volume: …}],
                 by_n_inputs: [{n_inputs, n_pairs, slice, volume}],
                 by_target: [{target, n_pairs, slice, volume}]}},
             comparisons: [see compare_methods]}

        ``n_slices`` counts distinct test slices of a subject × target once, whatever the number of subsets.

    Raises:
        ValueError: Columns are missing, the table is empty, or a (method, subject, inputs, target) repeats.
    """
    _check(scores, [*SCORE_KEYS, "n_slices", *(measure.column for measure in MEASURES)], _KEYS)
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    names = list(dict.fromkeys(scores["method"]))
    methods = {
        name: {"reference": name in references} | _summarise_method(scores[scores["method"] == name], bootstrap)
        for name in names
    }
    competitors = [name for name in names if name not in references]
    judged = scores[scores["method"].isin(competitors)] if competitors else scores
    comparisons = [
        entry
        for measure in measures_of("volume")
        for entry in compare_methods(
            scores,
            competitors,
            measure.column,
            higher_is_better=measure.higher_is_better,
            n_resamples=n_resamples,
            seed=seed,
        )
    ]
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "subjects": sorted(scores["subject"].unique().tolist()),
        "n_slices": _count_slices(scores),
        "n_pairs": len(judged[_PAIR].drop_duplicates()),
        "confidence": confidence,
        "warnings": _coverage_warnings(judged),
        "methods": methods,
        "comparisons": comparisons,
    }


def _summarise_method(scores: pd.DataFrame, bootstrap: dict) -> dict:
    """Everything about one method."""
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "n_slices": _count_slices(scores),
        "n_pairs": len(scores[_PAIR].drop_duplicates()),
        "overall": _both_protocols(scores, bootstrap),
        "by_pair": [
            {"inputs": inputs, "n_inputs": int(part["n_inputs"].iloc[0]), "target": target}
            | {"n_subjects": int(part["subject"].nunique()), "n_slices": int(part["n_slices"].sum())}
            | _both_protocols(part, bootstrap)
            for (inputs, target), part in scores.groupby(_PAIR, sort=False)
        ],
        "by_n_inputs": _by(scores, "n_inputs", bootstrap, sort=True),
        "by_target": _by(scores, "target", bootstrap, sort=False),
    }


def _by(scores: pd.DataFrame, column: str, bootstrap: dict, *, sort: bool) -> list[dict]:
    """One entry per value of ``column``."""
    return [
        {column: value if isinstance(value, str) else int(value)}
        | {"n_pairs": len(part[_PAIR].drop_duplicates())}
        | _both_protocols(part, bootstrap)
        for value, part in scores.groupby(column, sort=sort)
    ]


def _both_protocols(scores: pd.DataFrame, bootstrap: dict) -> dict:
    """``slice`` means over slices then pairs, and ``volume`` statistics over subjects, of some rows."""
    columns = [measure.column for measure in measures_of("slice")]
    weighted = scores[columns].mul(scores["n_slices"], axis=0)
    sums = weighted.join(scores[[*_PAIR, "n_slices"]]).groupby(_PAIR, sort=False).sum()
    over_pairs = sums[columns].div(sums["n_slices"], axis=0).mean()
    per_subject = scores.groupby("subject")[[measure.column for measure in measures_of("volume")]].mean()
    return {
        "slice": {measure.name: float(over_pairs[measure.column]) for measure in measures_of("slice")},
        "volume": {
            measure.name: mean_with_interval(per_subject[measure.column].to_numpy(), **bootstrap)
            for measure in measures_of("volume")
        },
    }


def _count_slices(scores: pd.DataFrame) -> int:
    """Test slices, each counted once per subject however many contrasts and subsets were scored on it."""
    return int(scores.groupby("subject")["n_slices"].max().sum())


def _coverage_warnings(scores: pd.DataFrame) -> list[str]:
    """Sentences on methods that were not scored on the same imputations as the others."""
    counts = scores.groupby("method", sort=False).size()
    most = len(scores[["subject", *_PAIR]].drop_duplicates())
    return [
        f"{method} was scored on {count} of {most} imputations: its means are not comparable with the others"
        for method, count in counts.items()
        if count < most
    ]


def _check(scores: pd.DataFrame, columns: Sequence[str], keys: Sequence[str]) -> None:
    """Refuse a table that would be summarised wrongly."""
    missing = [column for column in columns if column not in scores.columns]
    if missing:
        raise ValueError(f"the score table lacks the columns {missing}; it has {list(scores.columns)}")
    if scores.empty:
        raise ValueError("the score table is empty: no subject was scored")
    repeated = scores.duplicated(subset=list(keys))
    if repeated.any():
        raise ValueError(f"scored twice: {scores.loc[repeated, list(keys)].iloc[0].to_dict()}")
    values = scores[[column for column in columns if column in {measure.column for measure in MEASURES}]]
    if not np.isfinite(values.to_numpy(dtype=float)).all():
        raise ValueError("the score table holds scores that are NaN or infinite")
