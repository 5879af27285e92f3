"""Downstream segmentation: does an imputed contrast serve a segmenter that was trained on real ones?"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.harness import Covers, Predict, everything
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.segmentation import tissue_scores, tissue_volumes, tumour_scores, tumour_volumes
from mrisynth_pipeline.models.segmenter import Segmenter

COLUMNS = (
    *("method", "subject", "missing", "region", "healthy", "dice", "hd95_mm"),
    *("predicted_ml", "true_ml", "false_ml", "missed_ml"),
)
TISSUE_COLUMNS = tuple(column for column in COLUMNS if column != "healthy")
"""The same of tissues, whose regions are grey, white and csf."""

Tissues = Mapping[str, UInt8[np.ndarray, "z y x"]]
"""Subject → tissue map on its grid (see :func:`.tissue_map`)."""

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
    tissues: Tissues | None = None,
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
        tissues: The subjects' true tissues, for a segmenter of tissues; subjects then need no label map.

    Returns:
        One row per subject, missing contrast that the method covers, and region, with :data:`COLUMNS`; of tissues with
        :data:`TISSUE_COLUMNS`.

    Raises:
        InputError: A subject has no label map. That does not make it healthy: nobody has looked.
        ValueError: Tissues are given to a segmenter of tumours, or none to one of tissues.
    """
    rows_of, columns = _judge(segmenter, tissues)
    rows: list[dict] = []
    for subject in tqdm(subjects, desc=f"Segmenting with {name}", unit="subject"):
        volumes, truth = _volumes_and_truth(store, subject, tissues)
        for channel, modality in enumerate(segmenter.modalities):
            available = torch.ones(len(volumes), dtype=torch.bool)
            available[channel] = False
            if not covers(available, channel):
                continue
            labels = segmenter.segment(predict(volumes, available))
            rows += rows_of(name, subject, modality, labels, truth, spacing_mm)
    return pd.DataFrame(rows, columns=list(columns))


def score_real(
    segmenter: Segmenter,
    store: SubjectStore,
    subjects: Sequence[str],
    spacing_mm: Sequence[float],
    tissues: Tissues | None = None,
) -> pd.DataFrame:
    """The reference above every imputation: all contrasts real; as :func:`score_downstream`, method ``real``."""
    rows_of, columns = _judge(segmenter, tissues)
    rows: list[dict] = []
    for subject in tqdm(subjects, desc="Segmenting real scans", unit="subject"):
        volumes, truth = _volumes_and_truth(store, subject, tissues)
        rows += rows_of("real", subject, NOTHING_MISSING, segmenter.segment(volumes), truth, spacing_mm)
    return pd.DataFrame(rows, columns=list(columns))


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


def tissue_rows(
    name: str,
    subject: str,
    missing: str,
    labels: Integer[Tensor, "z y x"],
    truth: UInt8[np.ndarray, "z y x"],
    spacing_mm: Sequence[float],
) -> list[dict]:
    """As :func:`segmentation_rows`, of a tissue map: one row per tissue with :data:`TISSUE_COLUMNS`."""
    drawn, axes_mm = labels.numpy(), tuple(reversed(spacing_mm))
    volumes = tissue_volumes(drawn, truth, axes_mm)
    identity = {"method": name, "subject": subject, "missing": missing}
    return [
        {**identity, "region": tissue, **scores, **volumes[tissue]}
        for tissue, scores in tissue_scores(drawn, truth, axes_mm).items()
    ]


def _judge(segmenter: Segmenter, tissues: Tissues | None) -> tuple[Callable[..., list[dict]], tuple[str, ...]]:
    """How the segmentations of this segmenter become rows, and the rows' columns."""
    if (tissues is not None) != (segmenter.targets == "tissue"):
        raise ValueError(f"a segmenter of {segmenter.targets}s {'got' if tissues is not None else 'needs'} tissue maps")
    return (segmentation_rows, COLUMNS) if tissues is None else (tissue_rows, TISSUE_COLUMNS)


def _volumes_and_truth(store: SubjectStore, subject: str, tissues: Tissues | None) -> tuple[Tensor, np.ndarray]:
    file = store.open(subject)
    labels = file.segmentation() if tissues is None else tissues[subject]
    if labels is None:
        remedy = "Leave the subject out, or give it a label map (all 0 if it has no tumour)"
        raise InputError(file.path, "it has no tumour label map to judge a segmentation by", remedy)
    return torch.from_numpy(file.volumes()), labels
