"""What segmenters make of the imputations of many trainings: seeds averaged, patients and healthy subjects apart."""

from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.modalities import TISSUES
from mrisynth_pipeline.metrics.hallucination import summarise_hallucinations
from mrisynth_pipeline.metrics.segmentation_statistics import NONE_MISSING, REAL, summarise_segmentation

_KEYS = ["segmenter", "healthy", "method", "subject", "missing", "region"]
_VALUES = ["dice", "hd95_mm", "predicted_ml", "true_ml", "false_ml", "missed_ml"]


def summarise_downstream(segmentations: pd.DataFrame, *, n_resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The numbers of the benchmark's segmentations.

    Args:
        segmentations: Rows with ``segmenter``, ``healthy``, ``method``, ``seed``, ``subject``, ``missing``, ``region``,
            Dice, HD95 and volumes (see :func:`~mrisynth_pipeline.evaluation.downstream.segmentation_rows`). Of real
            complete scans there is a row for every contrast, all the same.
        n_resamples: Bootstrap samples of every interval.
        seed: Seed of the bootstrap.

    Returns:
        Segmenter → ``segmentation`` (of patients, see ``summarise_segmentation``) and ``hallucinations`` (see
        ``summarise_hallucinations``; ``None`` of tissues, which everybody has).
    """
    bootstrap = {"n_resamples": n_resamples, "seed": seed}
    segmentations = segmentations.drop(columns="variant", errors="ignore")
    is_real = segmentations["method"] == REAL
    real = segmentations[is_real].assign(missing=NONE_MISSING)
    real = real.drop_duplicates(["segmenter", "healthy", "subject", "region", "seed", "fold"])
    table = pd.concat([real, segmentations[~is_real]], ignore_index=True)
    averaged = table.groupby(_KEYS, sort=False)[_VALUES].mean().reset_index()
    return {
        str(name): {
            "segmentation": summarise_segmentation(part[~part["healthy"]], **bootstrap),
            "hallucinations": None
            if set(part["region"]) <= set(TISSUES)
            else summarise_hallucinations(part, **bootstrap),
        }
        for name, part in averaged.groupby("segmenter", sort=False)
    }
