"""From segmentation scores to the question that matters: how much of the tumour does an imputation save?"""

from collections.abc import Mapping

import pandas as pd

from mrisynth_pipeline.metrics.measures import SEGMENTATION_KEYS
from mrisynth_pipeline.metrics.resampling import mean_with_interval

REAL, ZERO, NONE_MISSING = "real", "zero", "none"
"""Rows with all real contrasts, rows with the missing contrast set to zero, and ``missing`` of the former."""

_SMALLEST_GAP = 0.01  # Dice lost by zero-filling, below which a share of the loss is only noise


def summarise_segmentation(
    scores: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> dict:
    """Summarise Dice and HD95 by missing contrast, tumour region and method.

    Args:
        scores: One row per method × subject × missing × region with ``dice`` and ``hd95_mm`` (NaN where
            undefined). ``real`` rows carry ``missing = "none"`` and serve every missing contrast.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary::

            {n_subjects, confidence, methods: [name], regions: [name], missing: [modality],
             rows: [{missing, region, method, dice: {n, mean, sd, ci_low, ci_high},
                     hd95_mm: {n, median, n_undefined}, gap_closed}]}

        ``gap_closed`` is (imputed − zero)/(real − zero) of the mean Dice over the subjects that have all
        three: 0 is no better than a blank contrast, 1 as good as the real one. It is ``None`` for ``real``
        and ``zero`` themselves and where zero-filling costs less than 0.01 Dice (nothing to close).

    Raises:
        ValueError: Columns are missing, the table is empty, or a row repeats.
    """
    required = [*SEGMENTATION_KEYS, "dice", "hd95_mm"]
    absent = [column for column in required if column not in scores.columns]
    if absent:
        raise ValueError(f"the segmentation table lacks the columns {absent}; it has {list(scores.columns)}")
    if scores.empty:
        raise ValueError("the segmentation table is empty: no subject was segmented")
    if scores.duplicated(subset=list(SEGMENTATION_KEYS)).any():
        raise ValueError("the segmentation table holds the same method, subject, missing and region twice")

    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    rows = []
    for (missing, region, method), part in scores.groupby(["missing", "region", "method"], sort=False):
        known = part["hd95_mm"].dropna()
        rows.append(
            {
                "missing": missing,
                "region": region,
                "method": method,
                "dice": mean_with_interval(part["dice"].to_numpy(), **bootstrap),
                "hd95_mm": {
                    "n": len(known),
                    "median": float(known.median()) if len(known) else None,
                    "n_undefined": len(part) - len(known),
                },
                "gap_closed": _gap_closed(scores, missing, region, method),
            }
        )
    return {
        "n_subjects": int(scores["subject"].nunique()),
        "confidence": confidence,
        "methods": list(dict.fromkeys(scores["method"])),
        "regions": list(dict.fromkeys(scores["region"])),
        "missing": [name for name in dict.fromkeys(scores["missing"]) if name != NONE_MISSING],
        "rows": rows,
    }


def telling_contrast(segmentation: Mapping, region: str) -> str:
    """T1Gd where the study has it, since enhancement defines the core; else what ``region`` misses most."""
    if "t1c" in segmentation["missing"]:
        return "t1c"
    blanked = {
        row["missing"]: row["dice"]["mean"]
        for row in segmentation["rows"]
        if row["region"] == region and row["method"] == ZERO
    }
    return min(blanked, key=blanked.get) if blanked else segmentation["missing"][0]


def _gap_closed(scores: pd.DataFrame, missing: str, region: str, method: str) -> float | None:
    """Share of the Dice lost to a blank contrast that the imputation gives back."""
    if method in (REAL, ZERO) or missing == NONE_MISSING:
        return None

    def dice(name: str, contrast: str) -> pd.Series:
        chosen = (scores["method"] == name) & (scores["missing"] == contrast) & (scores["region"] == region)
        return scores[chosen].set_index("subject")["dice"]

    together = pd.concat([dice(method, missing), dice(ZERO, missing), dice(REAL, NONE_MISSING)], axis=1).dropna()
    if together.empty:
        return None
    imputed, zero, real = together.mean()
    return float((imputed - zero) / (real - zero)) if real - zero >= _SMALLEST_GAP else None
