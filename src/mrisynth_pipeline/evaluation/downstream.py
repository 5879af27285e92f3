"""Downstream segmentation: does an imputed contrast serve a segmenter that was trained on real ones?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Integer
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.harness import Covers, Predict, everything
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.segmentation import tumour_scores, tumour_volumes
from mrisynth_pipeline.models.segmenter import Segmenter

COLUMNS = (
    *("method", "subject", "missing", "region", "healthy", "dice", "hd95_mm"),
    *("predicted_ml", "true_ml", "false_ml", "missed_ml"),
)
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
        subjects: Whom to segment: complete and with a label map, which is all 0 in a healthy subject.
        spacing_mm: Voxel size (x, y, z).
        covers: Which contrasts the method is asked for, given all others (see the harness).

    Returns:
        One row per subject, missing contrast that the method covers, and region, with :data:`COLUMNS`.

    Raises:
        InputError: A subject has no label map. That does not make it healthy: nobody has looked.
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
            rows += segmentation_rows(name, subject, modality, labels, truth, spacing_mm)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def score_real(
    segmenter: Segmenter, store: SubjectStore, subjects: Sequence[str], spacing_mm: Sequence[float]
) -> pd.DataFrame:
    """The reference above every imputation: all contrasts real; same columns, method ``real``."""
    rows: list[dict] = []
    for subject in tqdm(subjects, desc="Segmenting real scans", unit="subject"):
        volumes, truth = _volumes_and_labels(store, subject)
        rows += segmentation_rows("real", subject, NOTHING_MISSING, segmenter.segment(volumes), truth, spacing_mm)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def segmentation_rows(
    name: str,
    subject: str,
    missing: str,
    labels: Integer[Tensor, "z y x"],
    truth: Integer[np.ndarray, "z y x"],
    spacing_mm: Sequence[float],
) -> list[dict]:
    """What one segmentation of one subject is worth.

    Args:
        name: Name of the method whose images were segmented.
        subject: Whom they show.
        missing: The contrast that the method made; :data:`NOTHING_MISSING` where all are real.
        labels: Label map that the segmenter drew (internal labels).
        truth: Label map of the rater; all 0 in a healthy subject.
        spacing_mm: Voxel size (x, y, z).

    Returns:
        One row per region (WT, TC, ET) with :data:`COLUMNS`: ``healthy`` says that the subject has no tumour at all,
        ``dice`` and ``hd95_mm`` follow :func:`.tumour_scores`, the volumes in mL :func:`.tumour_volumes`.
    """
    drawn, axes_mm = labels.numpy(), tuple(reversed(spacing_mm))
    volumes = tumour_volumes(drawn, truth, axes_mm)
    identity = {"method": name, "subject": subject, "missing": missing}
    return [
        {**identity, "region": region, "healthy": not truth.any(), **scores, **volumes[region]}
        for region, scores in tumour_scores(drawn, truth, axes_mm).items()
    ]


def _volumes_and_labels(store: SubjectStore, subject: str) -> tuple[Tensor, np.ndarray]:
    file = store.open(subject)
    labels = file.segmentation()
    if labels is None:
        remedy = "Leave the subject out, or give it a label map (all 0 if it has no tumour)"
        raise InputError(file.path, "it has no tumour label map to judge a segmentation by", remedy)
    return torch.from_numpy(file.volumes()), labels
