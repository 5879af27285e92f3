"""From the scores of many trainings to the numbers of the benchmark: seeds averaged, subjects compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.measures import MEASURES
from mrisynth_pipeline.metrics.ranking import rank_methods
from mrisynth_pipeline.metrics.resampling import mean_with_interval
from mrisynth_pipeline.metrics.statistics import summarise_scores

HEADLINE = "volume_psnr"
"""The measure that methods are led, ranked and asked by; chosen before anything was measured."""
RANKED = ("volume_psnr", "volume_ssim")
"""Measures of which critical differences are given."""

_COSTS = ("seconds", "parameters", "giga_macs", "peak_mb", "training_peak_mb")
_CASE = ["method", "subject", "inputs", "n_inputs", "target"]
_MEASURES = {measure.column: measure for measure in MEASURES}


def averaged_over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per method, subject, inputs and target: the mean over the seeds, which are no samples.

    Args:
        scores: Rows with ``variant``, ``seed``, ``fold`` and the columns of an examination.
    """
    table = scores.drop(columns="method", errors="ignore").rename(columns={"variant": "method"})
    numbers = [name for name in table.columns if name not in (*_CASE, "seed") and table[name].dtype.kind in "fi"]
    averaged = table.groupby(_CASE, sort=False)[numbers].mean().reset_index()
    return averaged.astype({"n_slices": int, "fold": int})


def summarise_benchmark(
    scores: pd.DataFrame,
    limits: pd.DataFrame,
    costs: pd.DataFrame,
    *,
    details: Sequence[str],
    baselines: Sequence[str],
    n_worst: int,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """The numbers of the benchmark's page, but for those of the segmentations.

    Args:
        scores: Examinations of all trainings, with ``variant``, ``seed`` and ``fold``.
        limits: The same of what is no method (floor, ceilings), under their own names.
        costs: ``parameters``, ``seconds``, ``giga_macs``, ``peak_mb`` and ``training_peak_mb`` of each training.
        details: Further columns of ``scores`` to sum up: errors by region, protocol ``brasyn``, LPIPS.
        baselines: Methods that every trained one must beat.
        n_worst: So many of the leading method's worst imputations are named.
        n_resamples: Bootstrap samples of every interval.
        seed: Seed of the bootstrap.

    Returns:
        ``seeds``, ``folds`` (numbers); ``scores`` (see ``summarise_scores``; the limits are references); ``leader``;
        ``asked``: every trained method against every baseline, one Holm family; ``ranking``: measure → see
        ``rank_methods``; ``trainings``: method → ``seeds``, ``seed_sd`` (dB, of the mean), ``seconds``,
        ``seconds_per_volume``, ``parameters``, ``giga_macs``, ``peak_mb``, ``training_peak_mb``; ``details``: method →
        column → mean with interval over subjects; ``subjects``: subject → method → mean dB; ``worst``: the leader's
        worst imputations (see :func:`worst_imputations`).
    """
    bootstrap = {"n_resamples": n_resamples, "seed": seed}
    averaged = averaged_over_seeds(scores)
    methods = list(dict.fromkeys(averaged["method"]))
    references = averaged_over_seeds(limits.assign(variant=limits["method"])) if len(limits) else limits
    names = list(dict.fromkeys(references["method"])) if len(references) else []
    summary = summarise_scores(pd.concat([averaged, references], ignore_index=True), references=names, **bootstrap)
    means = averaged.groupby("method")[HEADLINE].mean()
    leader = str(means.idxmax())
    present = [name for name in details if name in averaged.columns]
    return {
        "seeds": int(scores["seed"].nunique()),
        "folds": int(scores["fold"].nunique()),
        "scores": summary,
        "leader": leader,
        "asked": _asked(averaged, methods, [name for name in baselines if name in methods]),
        "ranking": {
            column: rank_methods(averaged, methods, column, higher_is_better=_MEASURES[column].higher_is_better)
            for column in RANKED
        },
        "trainings": {name: _training(name, scores, costs) for name in methods},
        "details": {
            name: {column: _over_subjects(part, column, bootstrap) for column in present}
            for name, part in pd.concat([averaged, references], ignore_index=True).groupby("method", sort=False)
        },
        "subjects": _by_subject(averaged),
        "worst": worst_imputations(averaged, leader, present, n_worst),
    }


def _asked(averaged: pd.DataFrame, methods: Sequence[str], baselines: Sequence[str]) -> list[dict[str, Any]]:
    """Does every trained method beat every baseline? Asked beforehand, one family for each baseline."""
    trained = [name for name in methods if name not in baselines]
    return [
        entry
        for baseline in baselines
        for entry in compare_methods(
            averaged, [*trained, baseline], HEADLINE, higher_is_better=True, reference=baseline
        )
    ]


def _training(name: str, scores: pd.DataFrame, costs: pd.DataFrame) -> dict[str, Any]:
    """What one method's trainings took, and how much their seed did."""
    own = scores[scores["variant"] == name]
    by_seed = own.groupby("seed")[HEADLINE].mean()
    measured = costs.loc[costs["variant"] == name, list(_COSTS)].astype(float).mean()
    return {
        "seeds": int(by_seed.size),
        "seed_sd": float(by_seed.std(ddof=1)) if by_seed.size > 1 else None,
        "seconds_per_volume": float(own.groupby(["seed", "subject", "inputs"])["seconds"].first().mean()),
    } | {column: float(value) if np.isfinite(value) else None for column, value in measured.items()}


def _over_subjects(rows: pd.DataFrame, column: str, bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    return mean_with_interval(rows.groupby("subject")[column].mean().to_numpy(), **bootstrap)


def _by_subject(averaged: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Subject → method → mean over its pairs; the hardest subject first."""
    wide = averaged.pivot_table(index="subject", columns="method", values=HEADLINE, sort=False)
    order = wide.mean(axis=1).sort_values().index
    return {str(subject): {str(name): float(value) for name, value in wide.loc[subject].items()} for subject in order}


def worst_imputations(averaged: pd.DataFrame, method: str, details: Sequence[str], count: int) -> list[dict[str, Any]]:
    """The imputations of a method that fall most below what it reaches on the same pair in other subjects.

    By the plain score they would all be of the hardest contrast from the poorest inputs; what fails is a subject.

    Args:
        averaged: Scores, one row per method and case.
        method: Whose.
        details: Columns in which the reason is looked for: ``…_mae`` of regions.
        count: How many, one for each subject and target at most.

    Returns:
        Entries with ``subject``, ``fold``, ``inputs``, ``target``, ``psnr`` (dB), ``usual`` (dB, mean of the pair over
        all subjects), ``rival`` (the best other method there) and ``rival_psnr``, and ``region`` with ``excess``: where
        the error is most above the pair's usual one, and how many times as large (``None`` without regions).
    """
    own = averaged[averaged["method"] == method]
    pair = own.groupby(["inputs", "target"])
    below = (own[HEADLINE] - pair[HEADLINE].transform("mean")).sort_values()
    regions = [name for name in details if name.endswith("_mae")]
    usual = pair[regions].transform("mean") if regions else None
    found, seen = [], set()
    for row in own.loc[below.index].itertuples():
        if (row.subject, row.target) in seen:
            continue
        if len(found) == count:
            break
        seen.add((row.subject, row.target))
        same = averaged[
            (averaged["subject"] == row.subject)
            & (averaged["inputs"] == row.inputs)
            & (averaged["target"] == row.target)
            & (averaged["method"] != method)
        ]
        rival = same.loc[same[HEADLINE].idxmax()] if len(same) else None
        excess = (own.loc[row.Index, regions] / usual.loc[row.Index]).astype(float).dropna() if regions else pd.Series()
        found.append(
            {
                "subject": row.subject,
                "fold": int(row.fold),
                "inputs": row.inputs,
                "target": row.target,
                "psnr": float(getattr(row, HEADLINE)),
                "usual": float(getattr(row, HEADLINE) - below[row.Index]),
                "rival": None if rival is None else str(rival["method"]),
                "rival_psnr": None if rival is None else float(rival[HEADLINE]),
                "region": None if excess.empty else str(excess.idxmax()).removesuffix("_mae"),
                "excess": None if excess.empty else float(np.max(excess)),
            }
        )
    return found
