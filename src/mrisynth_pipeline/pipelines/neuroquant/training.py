"""Training of NeuroQuant's two stages."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.neuroquant import NeuroQuant, NeuroQuantArchitecture, NeuroQuantAutoencoder
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.incomplete import members_for_imputation
from mrisynth_pipeline.pipelines.study import TWO_CONTRASTS, seed_training, training_identity
from mrisynth_pipeline.pipelines.training import trained
from mrisynth_pipeline.sampling.patches import (
    ImagePatches,
    PatchParameters,
    middle_windows,
    patch_samples,
)
from mrisynth_pipeline.training.anatomical import AnatomicalAutoencoding, AnatomicalParameters
from mrisynth_pipeline.training.index_prediction import IndexPrediction, IndexPredictionParameters
from mrisynth_pipeline.training.similarity_loss import WINDOW
from mrisynth_pipeline.training.styles import remember_styles

_REMEDY = "Correct it in conf/ or with --params"


def train_anatomical_autoencoder(
    architecture: NeuroQuantArchitecture,
    parameters: AnatomicalParameters,
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    tracked_as: str,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Stage I on all training subjects with two or more contrasts; afterwards it knows every contrast's mean style.

    Args:
        architecture: Sizes and switches.
        parameters: Losses, patches and schedule.
        study: Who is trained on.
        subjects: Their files.
        workspace: Folder of checkpoints and early looks.
        tracked_as: Prefix of the metrics in MLflow.

    Raises:
        InputError: No subject has two contrasts, one contrast was scanned in none of them, patches are too small, or
            the parameters ask for an augmentation that patches cannot have.
    """
    seed_training(parameters.optimisation.seed)
    network = NeuroQuantAutoencoder(tuple(study["modalities"]), architecture)
    members, samples = paired_samples(study, subjects, parameters, "neuroquant.stage1")
    if min(samples[0].size) < WINDOW:
        raise InputError(
            "neuroquant.stage1.patch_size",
            f"patches of {'×'.join(map(str, reversed(samples[0].size)))} voxels are smaller than SSIM's {WINDOW}",
            "Enlarge it, or preprocessing.grid if that is smaller",
        )
    model, history = trained(
        AnatomicalAutoencoding(network, parameters),
        network,
        samples,
        study,
        members,
        workspace,
        training_identity(study, architecture, parameters),
        tracked_as,
        needs=TWO_CONTRASTS,
    )
    remember_styles(network, middle_windows(subjects, members, architecture.window))
    return model, history


def train_index_predictor(
    stage1: TrainedModel,
    parameters: IndexPredictionParameters,
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    tracked_as: str,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Stage II on the frozen codes of the same subjects; both together are the imputer.

    With ``predictor_widths`` null none is trained: the history is empty, and imputation takes the codes nearest to the
    mean anatomy of what is available.

    Raises:
        InputError: As of Stage I; or a predictor does not fit the autoencoder.
    """
    seed_training(parameters.optimisation.seed)
    architecture = stage1.network.architecture
    try:
        method = NeuroQuant(tuple(study["modalities"]), architecture, parameters.predictor_widths)
    except ValueError as error:
        raise InputError("neuroquant.stage2.predictor_widths", str(error), f"{_REMEDY}; null trains none") from error
    method.autoencoder.load_state_dict(stage1.network.state_dict())
    if method.predictor is None:
        return TrainedModel(method, stage1.card), pd.DataFrame({"step": []})
    members, samples = paired_samples(study, subjects, parameters, "neuroquant.stage2")
    return trained(
        IndexPrediction(method, parameters),
        method,
        samples,
        study,
        members,
        workspace,
        training_identity(study, architecture, parameters),
        tracked_as,
        stage1,
        needs=TWO_CONTRASTS,
    )


def paired_samples(
    study: dict[str, Any], subjects: SubjectStore, parameters: PatchParameters, group: str
) -> tuple[list[str], tuple[ImagePatches, ImagePatches]]:
    """The training subjects with two or more contrasts; their patches, and those of such validation subjects.

    Args:
        study: Who belongs to which part.
        subjects: Their files.
        parameters: Which patches.
        group: Name of the parameters, for the message.

    Raises:
        InputError: Nobody is left, a contrast is in nobody's scans, or the augmentation is one of slices.
    """
    members, held_out, _ = members_for_imputation(study, subjects, incomplete=True)
    samples = partial(patch_samples, subjects, parameters=parameters)
    try:
        return members, (samples(members), samples(held_out, augmented=False))
    except ValueError as error:
        raise InputError(group, str(error), _REMEDY) from error
