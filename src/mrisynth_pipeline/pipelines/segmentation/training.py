"""How segmenters are trained, on the tumours of the label maps or on tissues."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.models.segmenter import Segmenter
from mrisynth_pipeline.pipelines.study import (
    complete_subjects,
    model_card,
    parameter_count,
    seed_training,
    trackers,
    training_identity,
)
from mrisynth_pipeline.sampling.patches import PatchDataset
from mrisynth_pipeline.training.fit import fit, last_validation
from mrisynth_pipeline.training.segmentation import SegmentationParameters, SegmentationTraining


def train_tissue_segmenter(
    study: dict[str, Any],
    subjects: SubjectStore,
    tissues: Mapping[str, UInt8[np.ndarray, "z y x"]],
    workspace: Path,
    parameters: SegmentationParameters,
) -> TrainedModel:
    """Train a segmenter of grey matter, white matter and CSF: for cohorts without tumours, too.

    Args:
        study: Who is in the study.
        subjects: Their files.
        tissues: Subject → tissue map on its grid (see :func:`.tissue_map`); who has none is left out.
        workspace: Checkpoint of the training.
        parameters: As of the tumour segmenter; ``tumour_share`` is the share of patches centred in the brain's box.

    Returns:
        The segmenter (its ``targets`` are ``tissue``), and a card.

    Raises:
        InputError: No complete training subject has a tissue map.
    """
    seed_training(parameters.optimisation.seed)
    members, held_out = (
        [subject for subject in complete_subjects(study, part, may_be_none=part != "train") if subject in tissues]
        for part in ("train", "validation")
    )
    if not members:
        problem, remedy = "no complete training subject has a tissue map", "Make maps of them (tissue_map)"
        raise InputError("tissues", problem, remedy)
    segmenter = Segmenter(tuple(study["modalities"]), parameters.width, parameters.blocks_down, targets="tissue")
    history = fitted_segmenter(segmenter, study, subjects, members, held_out, workspace, parameters, tissues)
    size = parameter_count(segmenter)
    needs = "every contrast and a tissue map"
    return TrainedModel(
        segmenter, model_card(study, members, needs, parameters=size, validation=last_validation(history))
    )


def fitted_segmenter(
    segmenter: Segmenter,
    study: dict[str, Any],
    subjects: SubjectStore,
    members: list[str],
    held_out: list[str],
    workspace: Path,
    parameters: SegmentationParameters,
    maps: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Train a segmenter on patches.

    Args:
        segmenter: The network; afterwards it holds the averaged weights.
        study: Who is in the study, and on which grid.
        subjects: Their files.
        members: Whom to train on.
        held_out: Whom to validate on; maybe nobody.
        workspace: Checkpoint of the training.
        parameters: How long, and on which patches.
        maps: Subject → label map; ``None``: the tumour label maps of the files.

    Returns:
        The history (see :func:`.fit`).
    """
    shape = tuple(reversed(study["grid"]["size"]))
    patch = tuple(min(n, full) for n, full in zip(reversed(parameters.patch_size), shape, strict=True))
    share, dropout = parameters.tumour_share, parameters.modality_dropout
    identity = training_identity(study, parameters)
    if maps is not None:
        digest = hashlib.sha256(identity.encode())
        for subject in (*members, *held_out):
            digest.update(subject.encode() + np.ascontiguousarray(maps[subject]).tobytes())
        identity = digest.hexdigest()
    return fit(
        SegmentationTraining(segmenter, parameters),
        PatchDataset(subjects, members, patch, share, maps=maps, modality_dropout=dropout),
        PatchDataset(subjects, held_out, patch, random=False, maps=maps),
        parameters.optimisation,
        workspace,
        identity,
        trackers("segmentation" if maps is None else "tissue_segmentation"),
    )
