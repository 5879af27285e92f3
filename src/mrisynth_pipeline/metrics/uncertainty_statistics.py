"""From tables of errors, standard deviations and temperatures to the numbers that are reported."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from mrisynth_pipeline.metrics.resampling import mean_with_interval, paired_difference
from mrisynth_pipeline.metrics.uncertainty import SHARES, correlations, curve_columns

_KEYS = ["method", "subject", "inputs", "target"]
_MEASURES = ["error", "deviation", "spearman", "pearson", "ause"]


def summarise_uncertainty(
    scores: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> dict:
    """Whether the standard deviations of a method know where it is wrong, and fall as inputs are added.

    Means are over subjects; what was imputed of a subject is averaged first. Correlations that cannot be said (of a
    constant standard deviation) are left out of the means and counted.

    Args:
        scores: Of one method, from :func:`mrisynth_pipeline.evaluation.uncertainty.score_uncertainty`.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary, in which a statistic is ``{n, mean, sd, ci_low, ci_high}`` over subjects::

            {n_subjects, n_scans, n_constant, n_samples, temperature, confidence,
             overall: {error, deviation, spearman, pearson, ause: statistic},
             finding: orders | inverts | open,
             lowered: {5: statistic, 10: …}, share of the error that setting aside that percentage takes away,
             curve: [{share, method, oracle, random: statistic}] of the error left, over the mean error,
             by_n_inputs: [{n_inputs, error, deviation, spearman}],
             steps: [{fewer, more, change: statistic, finding: falls | rises | open}],
             by_target: [{target, error, deviation, spearman}],
             across_scans: {all: {spearman: {value, ci_low, ci_high}, pearson: …}, same_pair: {pearson: …}}}

        ``finding`` says what the interval of the mean Spearman correlation says. A step's ``change`` is of the mean
        standard deviation, with one input more, of the same contrast of the same subject. ``across_scans`` correlates
        mean standard deviation and mean error of whole scans; ``same_pair`` takes away what every pair of inputs and
        missing contrast has in common, and asks whether a subject that is harder than others is known to be.

    Raises:
        ValueError: Columns are missing, the table is empty, holds several methods, or a scan is scored twice.
    """
    columns = [
        *_KEYS,
        "n_inputs",
        "temperature",
        "n_samples",
        *_MEASURES,
        *curve_columns("left"),
        *curve_columns("oracle"),
    ]
    _check(scores, columns, _KEYS)
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    overall = _statistics(scores, _MEASURES, bootstrap)
    curve = _curve(scores, bootstrap)
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "n_scans": len(scores),
        "n_constant": int(scores["spearman"].isna().sum()),
        "n_samples": int(scores["n_samples"].iloc[0]),
        "temperature": float(scores["temperature"].iloc[0]),
        "confidence": confidence,
        "overall": overall,
        "finding": _sign(overall["spearman"], "orders", "inverts"),
        "lowered": {f"{100 * entry['share']:.0f}": entry.pop("lowered") for entry in curve if entry["share"] > 0},
        "curve": [{name: value for name, value in entry.items() if name != "lowered"} for entry in curve],
        "by_n_inputs": [
            {"n_inputs": int(n_inputs)} | _statistics(part, ["error", "deviation", "spearman"], bootstrap)
            for n_inputs, part in scores.groupby("n_inputs")
        ],
        "steps": _steps(scores, bootstrap),
        "by_target": [
            {"target": str(target)} | _statistics(part, ["error", "deviation", "spearman"], bootstrap)
            for target, part in scores.groupby("target", sort=False)
        ],
        "across_scans": _across_scans(scores, bootstrap),
    }


def summarise_temperatures(
    scores: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> dict:
    """Quality at every temperature, and where it is best.

    Args:
        scores: Of one method, from :func:`mrisynth_pipeline.evaluation.uncertainty.score_temperatures`.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary, statistics over subjects::

            {n_subjects, n_samples, confidence, temperatures: [{temperature, mean_psnr, single_psnr, deviation}],
             best: {mean_psnr: temperature, single_psnr: temperature},
             cost: [{temperature, mean_psnr, single_psnr: statistic of the loss against the best, paired}]}

    Raises:
        ValueError: Columns are missing, the table is empty, holds several methods, or a scan is scored twice.
    """
    kinds = ["mean_psnr", "single_psnr"]
    _check(scores, [*_KEYS, "temperature", "n_samples", *kinds, "deviation"], [*_KEYS, "temperature"])
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    tables = {
        kind: scores.pivot_table(index="subject", columns="temperature", values=kind) for kind in [*kinds, "deviation"]
    }
    best = {kind: float(tables[kind].mean().idxmax()) for kind in kinds}
    lost = {kind: tables[kind].rsub(tables[kind][best[kind]], axis=0) for kind in kinds}
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "n_samples": int(scores["n_samples"].iloc[0]),
        "confidence": confidence,
        "temperatures": _by_temperature(tables, bootstrap),
        "best": best,
        "cost": _by_temperature(lost, bootstrap),
    }


def _by_temperature(tables: dict[str, pd.DataFrame], bootstrap: dict) -> list[dict]:
    first = next(iter(tables.values()))
    return [
        {"temperature": float(temperature)}
        | {name: mean_with_interval(table[temperature].to_numpy(), **bootstrap) for name, table in tables.items()}
        for temperature in first.columns
    ]


def _statistics(scores: pd.DataFrame, measures: Sequence[str], bootstrap: dict) -> dict[str, dict]:
    per_subject = scores.groupby("subject")[list(measures)].mean()  # leaves NaN out
    return {name: mean_with_interval(per_subject[name].to_numpy(), **bootstrap) for name in measures}


def _curve(scores: pd.DataFrame, bootstrap: dict) -> list[dict]:
    """Per share set aside the error left, over the mean error of the scan, of the method and of the oracle."""
    known = scores[scores["error"] > 0]
    relative = {
        name: known[curve_columns(name)].div(known["error"], axis=0).groupby(known["subject"]).mean()
        for name in ("left", "oracle")
    }
    entries = []
    for share, left, oracle in zip(SHARES, curve_columns("left"), curve_columns("oracle"), strict=True):
        method = relative["left"][left].to_numpy()
        entries.append(
            {"share": share, "method": mean_with_interval(method, **bootstrap)}
            | {"oracle": mean_with_interval(relative["oracle"][oracle].to_numpy(), **bootstrap), "random": 1.0}
            | {"lowered": mean_with_interval(1 - method, **bootstrap)}
        )
    return entries


def _steps(scores: pd.DataFrame, bootstrap: dict) -> list[dict]:
    """How the standard deviation changes with one input more; the contrasts that were imputed at both are the same."""
    means = scores.groupby(["subject", "target", "n_inputs"])["deviation"].mean().unstack("n_inputs")
    steps = []
    for fewer, more in pairwise(means.columns):
        differences = pd.Series(paired_difference(means[more], means[fewer]), means.index)
        change = differences.groupby("subject").mean()
        entry = mean_with_interval(change.to_numpy(), **bootstrap)
        steps.append({"fewer": int(fewer), "more": int(more), "change": entry})
        steps[-1]["finding"] = _sign(entry, "rises", "falls")
    return steps


def _across_scans(scores: pd.DataFrame, bootstrap: dict) -> dict:
    """Correlation of mean standard deviation and mean error over scans; intervals from resampled subjects."""
    values = scores[["subject", "deviation", "error"]]
    deviations = values[["deviation", "error"]] - scores.groupby(["inputs", "target"])[
        ["deviation", "error"]
    ].transform("mean")
    several = scores.groupby(["inputs", "target"])["subject"].transform("nunique") > 1
    within = deviations.assign(subject=values["subject"])[several]
    spearman, pearson = _correlation_intervals(values, bootstrap)
    return {
        "all": {"spearman": spearman, "pearson": pearson},
        "same_pair": {"pearson": _correlation_intervals(within, bootstrap)[1]},
    }


def _correlation_intervals(values: pd.DataFrame, bootstrap: dict) -> tuple[dict, dict]:
    """Spearman's and Pearson's, with percentile intervals over subjects; ``None`` where nothing can be said."""
    parts = [part[["deviation", "error"]].to_numpy() for _, part in values.groupby("subject")]
    if len(parts) < 2:
        found = _spoken(correlations(*np.concatenate(parts).T)) if parts else (None, None)
        spearman, pearson = ({"value": value, "ci_low": None, "ci_high": None} for value in found)
        return spearman, pearson
    generator = np.random.default_rng(bootstrap["seed"])
    drawn = []
    for _ in range(min(bootstrap["n_resamples"], 500)):  # ranks of thousands of scans take a while
        chosen = generator.integers(len(parts), size=len(parts))
        drawn.append(correlations(*np.concatenate([parts[number] for number in chosen]).T))
    tails = [50 * (1 - bootstrap["confidence"]), 50 * (1 + bootstrap["confidence"])]
    entries = []
    for value, sample in zip(correlations(*np.concatenate(parts).T), np.transpose(drawn), strict=True):
        sample = sample[~np.isnan(sample)]
        low, high = np.percentile(sample, tails) if len(sample) else (np.nan, np.nan)
        value, low, high = _spoken((value, float(low), float(high)))
        entries.append({"value": value, "ci_low": low, "ci_high": high})
    return entries[0], entries[1]


def _spoken(values: Sequence[float]) -> tuple[float | None, ...]:
    """NaN is no JSON."""
    return tuple(None if np.isnan(value) else value for value in values)


def _sign(entry: dict, above: str, below: str) -> str:
    """What an interval says of the side of 0 on which a mean lies."""
    if entry["ci_low"] is not None and entry["ci_low"] > 0:
        return above
    if entry["ci_high"] is not None and entry["ci_high"] < 0:
        return below
    return "open"


def _check(scores: pd.DataFrame, columns: Sequence[str], keys: Sequence[str]) -> None:
    """Refuse a table that would be summarised wrongly."""
    absent = [column for column in columns if column not in scores.columns]
    if absent:
        raise ValueError(f"the score table lacks the columns {absent}; it has {list(scores.columns)}")
    if scores.empty:
        raise ValueError("the score table is empty: no subject was scored")
    if scores["method"].nunique() > 1:
        raise ValueError(f"the score table is of several methods: {', '.join(scores['method'].unique())}")
    repeated = scores.duplicated(list(keys))
    if repeated.any():
        raise ValueError(f"scored twice: {scores.loc[repeated, list(keys)].iloc[0].to_dict()}")
