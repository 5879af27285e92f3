"""What it costs a method that scans are missing from the cohort it is trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.resampling import mean_with_interval, paired_difference

MEASURES = ("volume_psnr", "slice_psnr", "slice_ssim")
"""Measures of the table; losses are of the first."""
_CASE = ["subject", "inputs", "target"]


def summarise_incomplete(
    scores: pd.DataFrame,
    trainings: pd.DataFrame,
    complete_as: Mapping[str, str],
    question: tuple[str, Sequence[str]],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Quality at every share of hidden scans, and what is lost against the complete cohort, paired over subjects.

    Args:
        scores: Rows with ``variant``, ``fraction``, ``seed``, ``fold``, ``subject``, ``inputs``, ``target`` and
            :data:`MEASURES`; a case is averaged over seeds first.
        trainings: Rows with ``variant``, ``fraction``, ``hidden_share``, ``subjects`` trained on, ``obstacle``.
        complete_as: Variant → the one whose scores at 0 are its own, or "".
        question: The variant that was asked about beforehand, and those it is compared with.
        n_resamples: Bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        ``n_subjects`` (test), ``seeds``, ``folds``, ``fractions``, ``hidden`` (fraction → share really hidden), and
        ``variants``: name → fraction (as text) → either ``obstacle``, or ``subjects`` trained on (mean), ``psnr``,
        ``slice_psnr``, ``ssim`` (mean with interval over subjects), ``loss`` (dB against 0, with interval; ``None``
        where there is nothing to compare with). ``comparisons``: fraction → for every
        variant that is asked for the paired test of its loss (first) with that of the one asked about (second).
    """
    bootstrap = {"n_resamples": n_resamples, "seed": seed}
    cases = scores.groupby(["variant", "fraction", *_CASE], sort=False)[list(MEASURES)].mean().reset_index()
    names = list(dict.fromkeys([*trainings["variant"]]))
    fractions = sorted(trainings["fraction"].unique())
    own = {
        (name, fraction): part.groupby("subject")[list(MEASURES)].mean()
        for (name, fraction), part in cases.groupby(["variant", "fraction"], sort=False)
    }
    for name in names:
        if (0.0 in fractions) and (name, 0.0) not in own and (complete_as.get(name), 0.0) in own:
            own[name, 0.0] = own[complete_as[name], 0.0]
    variants: dict[str, dict[str, Any]] = {name: {} for name in names}
    losses = []
    for (name, fraction), means in own.items():
        rows = trainings[(trainings["variant"] == name) & (trainings["fraction"] == fraction)]
        if rows.empty:  # taken over from the variant that it equals
            rows = trainings[(trainings["variant"] == complete_as[name]) & (trainings["fraction"] == fraction)]
        entry: dict[str, Any] = {
            "subjects": float(rows["subjects"].mean()),
            "psnr": mean_with_interval(means["volume_psnr"], **bootstrap),
            "slice_psnr": mean_with_interval(means["slice_psnr"], **bootstrap),
            "ssim": mean_with_interval(means["slice_ssim"], **bootstrap),
            "loss": None,
        }
        if fraction and (name, 0.0) in own:
            both = own[name, 0.0].join(means, rsuffix="_now", how="inner")
            lost = paired_difference(both["volume_psnr"], both["volume_psnr_now"])
            entry["loss"] = mean_with_interval(lost, **bootstrap)
            losses += [
                {"method": name, "fraction": fraction, "subject": subject, "inputs": "", "target": "", "loss": value}
                for subject, value in zip(both.index, lost, strict=True)
            ]
        variants[name][f"{fraction:g}"] = entry
    for row in trainings[trainings["obstacle"] != ""].itertuples():
        variants[row.variant].setdefault(f"{row.fraction:g}", {"obstacle": row.obstacle})
    table = pd.DataFrame(losses, columns=["method", "fraction", *_CASE, "loss"])
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "seeds": int(trainings["seed"].nunique()),
        "folds": int(trainings["fold"].nunique()),
        "fractions": [float(fraction) for fraction in fractions],
        "hidden": {f"{f:g}": float(part["hidden_share"].mean()) for f, part in trainings.groupby("fraction")},
        "variants": {
            name: {key: entries[key] for key in sorted(entries, key=float)} for name, entries in variants.items()
        },
        "comparisons": {
            f"{fraction:g}": compare_methods(
                part, [*question[1], question[0]], "loss", higher_is_better=False, reference=question[0]
            )
            for fraction, part in table.groupby("fraction")
        },
    }
