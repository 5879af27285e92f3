"""Downstream segmentation: does an imputed contrast serve a segmenter that was trained on real ones?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.evaluation.harness import Covers, Predict, everything
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.segmentation import tumour_scores
from mrisynth_pipeline.models.segmenter import Segmenter

COLUMNS = ("method", "subject", "missing", "region", "dice", "hd95_mm")
NOTHING_MISSING = "none"
"""In the column ``missing``: all contrasts are real."""


def zero_filled(volumes: Float[Tensor, "modality z y x"], available: Tensor) -> Float[Tensor, "modality z y x"]:
    """The reference below every imputation: missing contrasts are blank."""
    return volumes * available[:, None, None, None]


def score_downstream(
    name: str,
    predict: Predict,
    segmenter: Segmenter,
    store: SubjectStore,
    subjects: Sequence[str],
    spacing_mm: Sequence[float],
    covers: Covers = everything,
) -> pd.DataFrame:
    """Segment every subject with each contrast in turn replaced by what a method makes of the others.

    Args:
        name: Name of the method in the table.
        predict: The method (see :mod:`mrisynth_pipeline.evaluation.harness`).
        segmenter: Trained on real complete scans.
        store: The subject files.
        subjects: Whom to segment: complete and with a label map.
        spacing_mm: Voxel size (x, y, z).
        covers: Which contrasts the method is asked for, given all others (see the harness).

    Returns:
        One row per subject, missing contrast that the method covers, and region, with :data:`COLUMNS`.
    """
    rows: list[dict] = []
    for subject in tqdm(subjects, desc=f"Segmenting with {name}", unit="subject"):
        volumes, truth = _volumes_and_labels(store, subject)
        for channel, modality in enumerate(segmenter.modalities):
            available = torch.ones(len(volumes), dtype=torch.bool)
            available[channel] = False
            if not covers(available, channel):
                continue
            labels = segmenter.segment(predict(volumes, available))
            rows += _rows(name, subject, modality, labels, truth, spacing_mm)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def score_real(
    segmenter: Segmenter, store: SubjectStore, subjects: Sequence[str], spacing_mm: Sequence[float]
) -> pd.DataFrame:
    """The reference above every imputation: all contrasts real; same columns, method ``real``."""
    rows: list[dict] = []
    for subject in tqdm(subjects, desc="Segmenting real scans", unit="subject"):
        volumes, truth = _volumes_and_labels(store, subject)
        rows += _rows("real", subject, NOTHING_MISSING, segmenter.segment(volumes), truth, spacing_mm)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _volumes_and_labels(store: SubjectStore, subject: str) -> tuple[Tensor, np.ndarray]:
    file = store.open(subject)
    return torch.from_numpy(file.volumes()), file.segmentation()


def _rows(
    name: str, subject: str, missing: str, labels: Tensor, truth: np.ndarray, spacing_mm: Sequence[float]
) -> list[dict]:
    scores = tumour_scores(labels.numpy(), truth, tuple(reversed(spacing_mm)))
    return [
        {"method": name, "subject": subject, "missing": missing, "region": region, **values}
        for region, values in scores.items()
    ]
