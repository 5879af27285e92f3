"""Whether imputed contrasts serve tumour segmentation."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.evaluation.downstream import COLUMNS, score_downstream, score_real, zero_filled
from mrisynth_pipeline.evaluation.harness import through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.segmentation_statistics import summarise_segmentation
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.models.segmenter import Segmenter
from mrisynth_pipeline.pipelines.figures import empty_figure
from mrisynth_pipeline.pipelines.methods import SKIPPED
from mrisynth_pipeline.pipelines.study import (
    example_subjects,
    model_card,
    parameter_count,
    seed_training,
    trackers,
    training_identity,
    usable_device,
)
from mrisynth_pipeline.reporting.images import segmentation_grid, telling_slice
from mrisynth_pipeline.sampling.patches import PatchDataset
from mrisynth_pipeline.training.fit import fit, last_validation
from mrisynth_pipeline.training.segmentation import SegmentationParameters, SegmentationTraining

logger = logging.getLogger(__name__)


def _labelled(study: dict[str, Any], part: str) -> list[str]:
    """Complete subjects of a part that have a tumour label map."""
    members = set(study["complete"]) & set(study["labelled"])
    return [subject for subject in study[part] if subject in members]


def train_segmenter(
    study: dict[str, Any], subjects: SubjectStore, workspace: Path, parameters: SegmentationParameters
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train the tumour segmenter on real, complete, labelled training scans.

    A cohort without label maps (such as IXI) gets an untrained segmenter whose card says so; the nodes after this one
    then have nothing to do.
    """
    seed_training(parameters.optimisation.seed)
    segmenter = Segmenter(tuple(study["modalities"]), parameters.width, parameters.blocks_down)
    members = _labelled(study, "train")
    if not members or not _labelled(study, "test"):
        reason = f"the cohort {study['cohort']} has no tumour label maps in its training and test parts"
        logger.warning("No downstream segmentation: %s", reason)
        return TrainedModel(segmenter, model_card(study, members, **{SKIPPED: reason})), pd.DataFrame({"step": []})
    shape = tuple(reversed(study["grid"]["size"]))
    patch = tuple(min(n, full) for n, full in zip(reversed(parameters.patch_size), shape, strict=True))
    history = fit(
        SegmentationTraining(segmenter, parameters),
        PatchDataset(subjects, members, patch, parameters.tumour_share),
        PatchDataset(subjects, _labelled(study, "validation"), patch, random=False),
        parameters.optimisation,
        workspace,
        training_identity(study, parameters),
        trackers("segmentation"),
    )
    card = model_card(study, members, parameters=parameter_count(segmenter), validation=last_validation(history))
    return TrainedModel(segmenter, card), history


def _test_subjects(segmenter: TrainedModel, study: dict[str, Any]) -> list[str]:
    return [] if SKIPPED in segmenter.card else _labelled(study, "test")


def score_references(segmenter: TrainedModel, study: dict[str, Any], subjects: SubjectStore) -> pd.DataFrame:
    """The two ends of the scale: all contrasts real, and each contrast in turn blank."""
    members, spacing = _test_subjects(segmenter, study), study["grid"]["spacing_mm"]
    return pd.concat(
        [
            score_real(segmenter.network, subjects, members, spacing),
            score_downstream("zero", zero_filled, segmenter.network, subjects, members, spacing),
        ],
        ignore_index=True,
    )


def segment_with_method(
    model: TrainedModel,
    segmenter: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: EvaluationParameters,
) -> pd.DataFrame:
    """Segment the test subjects with each contrast in turn replaced by this method's imputation."""
    device = usable_device(parameters.device)
    predict = through_the_door(model.network.to(device), parameters)
    return score_downstream(
        model.network.name,
        predict,
        segmenter.network.to(device),
        subjects,
        _test_subjects(segmenter, study),
        study["grid"]["spacing_mm"],
    )


def summarise_downstream(parameters: EvaluationParameters, *scores: pd.DataFrame) -> dict[str, Any]:
    """Dice and HD95 by missing contrast, region and method; or why there are none."""
    table = pd.concat(scores, ignore_index=True)
    if table.empty:
        return {SKIPPED: "the cohort has no tumour label maps in its training and test parts"}
    return summarise_segmentation(table[list(COLUMNS)], n_resamples=parameters.bootstrap_samples, seed=parameters.seed)


def draw_segmentations(
    segmenter: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: EvaluationParameters,
    *models: TrainedModel,
) -> dict[str, Figure]:
    """Rater and segmenter on real, blank and imputed scans of some test subjects; the second contrast is missing."""
    members = _test_subjects(segmenter, study)
    device = usable_device(parameters.device)
    network = segmenter.network.to(device)
    missing = min(1, len(study["modalities"]) - 1)  # T1Gd in BraTS: the one that tumours need most
    figures = {}
    for subject in [s for s in example_subjects(study, subjects, len(study["test"])) if s in members][:1]:
        file = subjects.open(subject)
        volumes, truth = torch.from_numpy(file.volumes()), file.segmentation()
        z = telling_slice(file.mask(), truth)
        available = torch.arange(len(volumes)) != missing
        filled = {"zero": zero_filled(volumes, available)} | {
            m.network.name: through_the_door(m.network.to(device), parameters)(volumes, available) for m in models
        }
        maps = {"rater": truth, "real": network.segment(volumes).numpy()}
        maps |= {name: network.segment(stack).numpy() for name, stack in filled.items()}
        contrast = study["modalities"][missing]
        figures[subject] = segmentation_grid(
            volumes[missing, z].numpy(),
            {name: labels[z] for name, labels in maps.items()},
            title=f"{subject}: {DISPLAY_NAMES[contrast]} missing",
            backgrounds={name: stack[missing, z].numpy() for name, stack in filled.items()},
        )
    return figures or {"none": empty_figure(segmenter.card.get(SKIPPED, "No test subject with a label map."))}
