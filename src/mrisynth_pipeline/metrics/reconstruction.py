"""From scores of reconstructions and of exchanged contrasts to the numbers that are reported."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.resampling import mean_with_interval

VOLUME, BRAIN = "volume", "brain"
"""Regions of a score: all voxels of the grid, and those of the brain mask."""

OWN, OTHER, COPY = "own", "other", "copy"
"""Whose style an image was decoded in: the subject's own, another subject's; or nothing was decoded at all."""


def summarise_reconstructions(
    scores: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> dict:
    """Summarise how well autoencoders give back what they were given.

    Means are over subjects; a subject's modalities are averaged first.

    Args:
        scores: From :func:`mrisynth_pipeline.evaluation.reconstruction.score_reconstructions`; several methods
            concatenated.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary::

            {n_subjects, modalities, confidence, warnings: [sentence],
             methods: {method: {n_subjects,
                 overall: {region: {psnr: {n, mean, sd, ci_low, ci_high}, ssim: …}},
                 by_modality: {modality: {region: {psnr, ssim}}}}},
             comparisons: [see compare_methods, on PSNR inside the brain]}

    Raises:
        ValueError: Columns are missing, the table is empty, holds NaN, or an image is scored twice.
    """
    keys = ["method", "subject", "modality", "region"]
    _check(scores, keys, ["psnr", "ssim"])
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    methods = {
        str(method): {
            "n_subjects": int(rows["subject"].nunique()),
            "overall": _regions(rows, ["psnr", "ssim"], bootstrap),
            "by_modality": {
                str(modality): _regions(part, ["psnr", "ssim"], bootstrap)
                for modality, part in rows.groupby("modality", sort=False)
            },
        }
        for method, rows in scores.groupby("method", sort=False)
    }
    brain = scores[scores["region"] == BRAIN].rename(columns={"modality": "target", "psnr": "brain_psnr"})
    n_images = len(brain[["subject", "target"]].drop_duplicates())
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "modalities": [str(name) for name in scores["modality"].unique()],
        "confidence": confidence,
        "warnings": [
            f"{method} was scored on {count} of {n_images} images: its means are not comparable with the others"
            for method, count in brain.groupby("method", sort=False).size().items()
            if count < n_images
        ],
        "methods": methods,
        "comparisons": compare_methods(brain.assign(inputs=""), list(methods), "brain_psnr", higher_is_better=True),
    }


def summarise_swaps(scores: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0) -> dict:
    """Summarise what becomes of an image's anatomy in the contrast of another.

    Args:
        scores: From :func:`mrisynth_pipeline.evaluation.anatomy.score_swaps`.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary, in which a statistic is ``{n, mean, sd, ci_low, ci_high}`` of PSNR over subjects; the
        pairs of a subject are averaged first::

            {n_subjects, modalities, confidence,
             overall: {reconstruction, swap, other, copy: {region: statistic}},
             gain: {region: statistic of swap − copy}, loss: {region: statistic of reconstruction − swap},
             pairs: [{anatomy, contrast, style: own | other | copy, region: statistic}]}

        ``swap`` is the anatomy of another modality in the subject's own style, ``other`` the same in another
        subject's style (absent with one subject), ``reconstruction`` an image through its own codes and style, and
        ``copy`` the other modality itself taken for the image.

    Raises:
        ValueError: Columns are missing, the table is empty, holds NaN, or a pair is scored twice.
    """
    _check(scores, ["subject", "anatomy", "contrast", "style", "region"], ["psnr"])
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    same = scores["anatomy"] == scores["contrast"]
    kinds = {
        "reconstruction": scores[same & (scores["style"] == OWN)],
        "swap": scores[~same & (scores["style"] == OWN)],
        "other": scores[~same & (scores["style"] == OTHER)],
        "copy": scores[~same & (scores["style"] == COPY)],
    }
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "modalities": [str(name) for name in scores["contrast"].unique()],
        "confidence": confidence,
        "overall": {
            kind: {region: entry["psnr"] for region, entry in _regions(rows, ["psnr"], bootstrap).items()}
            for kind, rows in kinds.items()
            if len(rows)
        },
        "gain": _difference(kinds["swap"], kinds["copy"], bootstrap),
        "loss": _difference(kinds["reconstruction"], kinds["swap"], bootstrap),
        "pairs": [
            {"anatomy": str(anatomy), "contrast": str(contrast), "style": str(style)}
            | {region: entry["psnr"] for region, entry in _regions(part, ["psnr"], bootstrap).items()}
            for (anatomy, contrast, style), part in scores.groupby(["anatomy", "contrast", "style"], sort=False)
        ],
    }


def _regions(rows: pd.DataFrame, measures: list[str], bootstrap: dict) -> dict[str, dict[str, dict]]:
    """Region → measure → statistic over subjects, of the mean of their rows."""
    found = {}
    for region in (VOLUME, BRAIN):
        per_subject = rows[rows["region"] == region].groupby("subject", sort=False)[measures].mean()
        found[region] = {name: mean_with_interval(per_subject[name].to_numpy(), **bootstrap) for name in measures}
    return found


def _difference(first: pd.DataFrame, second: pd.DataFrame, bootstrap: dict) -> dict[str, dict]:
    """Region → statistic of the differences in PSNR, paired over the subjects that have both."""
    means = [rows.groupby(["region", "subject"])["psnr"].mean() for rows in (first, second)]
    difference = means[0] - means[1]
    regions = difference.index.get_level_values("region")
    return {
        region: mean_with_interval(difference[regions == region].to_numpy(), **bootstrap) for region in (VOLUME, BRAIN)
    }


def _check(scores: pd.DataFrame, keys: Sequence[str], values: Sequence[str]) -> None:
    """Refuse a table that would be summarised wrongly."""
    absent = [column for column in [*keys, *values] if column not in scores.columns]
    if absent:
        raise ValueError(f"the score table lacks the columns {absent}; it has {list(scores.columns)}")
    if scores.empty:
        raise ValueError("the score table is empty: no subject was scored")
    repeated = scores.duplicated(list(keys))
    if repeated.any():
        raise ValueError(f"scored twice: {scores.loc[repeated, list(keys)].iloc[0].to_dict()}")
    if not np.isfinite(scores[list(values)].to_numpy(dtype=float)).all():
        raise ValueError("the score table holds scores that are NaN or infinite")
