"""Whether imputed contrasts serve tumour segmentation."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mrisynth_pipeline.evaluation.downstream import COLUMNS, score_downstream, score_real, zero_filled
from mrisynth_pipeline.evaluation.harness import Predict, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.models.segmenter import Segmenter
from mrisynth_pipeline.pipelines.examples import example_subjects, missing_channel
from mrisynth_pipeline.pipelines.methods import SKIPPED
from mrisynth_pipeline.pipelines.products import marked, may_lack
from mrisynth_pipeline.pipelines.segmentation.training import fitted_segmenter
from mrisynth_pipeline.pipelines.study import (
    labelled_subjects,
    model_card,
    parameter_count,
    seed_training,
    segmentation_obstacle,
)
from mrisynth_pipeline.sampling.slices import telling_slice
from mrisynth_pipeline.training.fit import last_validation
from mrisynth_pipeline.training.segmentation import SegmentationParameters

logger = logging.getLogger(__name__)

_NEEDS = "every contrast and a tumour label map"


def train_segmenter(
    study: dict[str, Any], subjects: SubjectStore, workspace: Path, parameters: SegmentationParameters
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train the tumour segmenter on real, complete, labelled training scans.

    A cohort without label maps (such as IXI), without complete labelled subjects, or whose label maps are all 0
    (``phantom.lesions: false``), gets an untrained segmenter whose card says so; the nodes after this one then have
    nothing to do.
    """
    seed_training(parameters.optimisation.seed)
    segmenter = Segmenter(tuple(study["modalities"]), parameters.width, parameters.blocks_down)
    members = labelled_subjects(study, "train")
    if reason := segmentation_obstacle(study) or _nothing_to_learn(subjects, members):
        logger.warning("No downstream segmentation: %s", reason)
        card = model_card(study, members, _NEEDS, **{SKIPPED: reason})
        return TrainedModel(segmenter, card), pd.DataFrame({"step": []})
    history = fitted_segmenter(
        segmenter, study, subjects, members, labelled_subjects(study, "validation"), workspace, parameters
    )
    size = parameter_count(segmenter)
    card = model_card(study, members, _NEEDS, parameters=size, validation=last_validation(history))
    return TrainedModel(segmenter, card), history


def _nothing_to_learn(subjects: SubjectStore, members: list[str]) -> str:
    """Why label maps teach nothing, as part of a sentence; ``""`` where one of them has a tumour."""
    if any(subjects.open(subject).segmentation().any() for subject in members):
        return ""
    return "no training subject has a tumour: all label maps are empty"


def _test_subjects(segmenter: TrainedModel, study: dict[str, Any]) -> list[str]:
    return [] if SKIPPED in segmenter.card else labelled_subjects(study, "test")


def _shown_subjects(segmenter: TrainedModel, study: dict[str, Any], subjects: SubjectStore) -> list[str]:
    """The test subject with the largest tumour."""
    members = _test_subjects(segmenter, study)
    return example_subjects(study | {"test": members}, subjects, 1) if members else []


def score_references(
    segmenter: TrainedModel, study: dict[str, Any], subjects: SubjectStore
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The two ends of the scale: all contrasts real, and each contrast in turn blank; and slices of both to look at."""
    members, spacing = _test_subjects(segmenter, study), study["grid"]["spacing_mm"]
    real = score_real(segmenter.network, subjects, members, spacing)
    zero = score_downstream("zero", zero_filled, segmenter.network, subjects, members, spacing)
    slices = {}
    for subject in _shown_subjects(segmenter, study, subjects):
        slices |= _segmented_slices("real", lambda volumes, _: volumes, segmenter.network, subject, study, subjects)
        slices |= _segmented_slices("zero", zero_filled, segmenter.network, subject, study, subjects)
    return marked(pd.concat([real, zero], ignore_index=True), study), slices


@may_lack("segmenter.model")
def segment_with_method(
    model: TrainedModel,
    segmenter: TrainedModel | None,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: EvaluationParameters,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Segment the test subjects with each contrast in turn replaced by this method's imputation.

    Returns:
        The scores (none where no segmenter has been trained yet) and slices to look at.
    """
    name = model.network.name
    if segmenter is None:
        remedy = "kedro run --pipelines segmentation"
        logger.warning("No segmenter has been trained: no tumours are segmented with %s (%s)", name, remedy)
        return pd.DataFrame(columns=list(COLUMNS)), {}
    device = usable_device(parameters.device)
    predict, network = through_the_door(model.network.to(device), parameters), segmenter.network.to(device)
    members, spacing = _test_subjects(segmenter, study), study["grid"]["spacing_mm"]
    scores = score_downstream(name, predict, network, subjects, members, spacing, model.network.covers)
    slices, missing = {}, missing_channel(study)
    others = torch.arange(len(study["modalities"])) != missing
    for subject in _shown_subjects(segmenter, study, subjects) if model.network.covers(others, missing) else ():
        slices |= _segmented_slices(name, predict, network, subject, study, subjects)
    return marked(scores, study), slices


def _segmented_slices(
    name: str, predict: Predict, segmenter: Segmenter, subject: str, study: dict[str, Any], subjects: SubjectStore
) -> dict[str, np.ndarray]:
    """The telling slice of one subject whose second contrast is filled: ``{subject}/{name}/image`` and ``…/labels``."""
    file, missing = subjects.open(subject), missing_channel(study)
    volumes = torch.from_numpy(file.volumes())
    filled = predict(volumes, torch.arange(len(volumes)) != missing)
    z = telling_slice(file.mask(), file.segmentation())
    return {
        f"{subject}/{name}/image": filled[missing, z].numpy(),
        f"{subject}/{name}/labels": segmenter.segment(filled)[z].numpy(),
    }
