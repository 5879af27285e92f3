"""MMHVAE (arXiv 2410.19378): training on all subjects, whatever they lack."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.mmhvae import MMHVAE, MMHVAEArchitecture
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.study import ANY_CONTRAST, seed_training, training_identity
from mrisynth_pipeline.pipelines.training import trained
from mrisynth_pipeline.sampling.patches import subjects_with
from mrisynth_pipeline.sampling.slices import slice_samples
from mrisynth_pipeline.training.hierarchical import HierarchicalParameters, HierarchicalTraining


def train_mmhvae(
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    architecture: MMHVAEArchitecture,
    parameters: HierarchicalParameters,
    tracked_as: str = "mmhvae",
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train MMHVAE on every training subject with any contrast at all.

    Args:
        study: Who is trained on.
        subjects: Their files.
        workspace: Folder of checkpoints and early looks.
        architecture: Sizes.
        parameters: Losses and schedule.
        tracked_as: Prefix of the metrics in MLflow.

    Raises:
        InputError: Nobody has any contrast, or a group of subsets names one that the study lacks.
    """
    seed_training(parameters.optimisation.seed)
    modalities, size = tuple(study["modalities"]), tuple(reversed(study["grid"]["size"]))[1:]
    members, held_out = subjects_with(subjects, study["train"], 1), subjects_with(subjects, study["validation"], 2)
    if not members:
        remedy = "Add subjects, or set cohort.modalities to the contrasts they have"
        raise InputError(f"train part of {study['cohort']}", "no subject has any of the study's contrasts", remedy)
    network = MMHVAE(modalities, architecture.for_grid(size))
    try:
        training = HierarchicalTraining(network, parameters, size)
    except ValueError as error:
        raise InputError("mmhvae.training.subset_groups", str(error), "Correct it in conf/ or with --params") from error
    samples = partial(slice_samples, subjects, parameters=parameters, windows=study["slice_windows"])
    return trained(
        training,
        network,
        (samples(members), samples(held_out, augmented=False)),
        study,
        members,
        workspace,
        training_identity(study, architecture, parameters),
        tracked_as,
        needs=ANY_CONTRAST,
    )
