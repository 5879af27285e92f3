"""Methods that translate the available contrasts into the missing ones by one network, trained as in pix2pix."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.models.resunet import ResUNet, ResUNetArchitecture
from mrisynth_pipeline.pipelines.evaluation.pipeline import score_pipeline
from mrisynth_pipeline.pipelines.segmentation.pipeline import segmentation_template
from mrisynth_pipeline.pipelines.study import EVERY_CONTRAST, complete_subjects, seed_training, training_identity
from mrisynth_pipeline.pipelines.training import trained
from mrisynth_pipeline.sampling.patches import patch_samples
from mrisynth_pipeline.sampling.slices import slice_samples
from mrisynth_pipeline.training.translation import Translation, TranslationParameters

_REMEDY = "Correct it in conf/ or with --params"


def train_translator(
    network_type: type[ResUNet],
    architecture: ResUNetArchitecture,
    parameters: TranslationParameters,
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    tracked_as: str,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train a network on the complete training subjects, on slices or, if it is three-dimensional, on patches.

    Args:
        network_type: :class:`ResUNet` or a subclass.
        architecture: Its sizes.
        parameters: Losses, samples and schedule.
        study: Who is trained on.
        subjects: Their files.
        workspace: Folder of checkpoints and early looks.
        tracked_as: Prefix of the metrics in MLflow.

    Returns:
        The imputer and the history of its training.

    Raises:
        InputError: The architecture does not fit the study, or the augmentation the patches.
    """
    seed_training(parameters.optimisation.seed)
    network = build_network(network_type, architecture, study, f"{network_type.name}.architecture")
    members, held_out = complete_subjects(study, "train"), complete_subjects(study, "validation")
    samples = partial(slice_samples, windows=study["slice_windows"]) if network.spatial_dims == 2 else patch_samples
    try:
        training = samples(subjects, members, parameters)
    except ValueError as error:
        raise InputError(f"{network_type.name}.training", str(error), _REMEDY) from error
    validation = samples(subjects, held_out, parameters, augmented=False)
    return trained(
        Translation(network, parameters, tuple(study["grid"]["spacing_mm"])),
        network,
        (training, validation),
        study,
        members,
        workspace,
        training_identity(study, architecture, parameters),
        tracked_as,
        needs=EVERY_CONTRAST,
    )


def build_network(
    network_type: type[ResUNet], architecture: ResUNetArchitecture, study: dict[str, Any], option: str
) -> ResUNet:
    """The untrained network for a study's contrasts.

    Args:
        network_type: :class:`ResUNet` or a subclass.
        architecture: Its sizes.
        study: Whose contrasts.
        option: Where the architecture is set, for the message.

    Raises:
        InputError: The architecture does not fit the study or itself.
    """
    try:
        return network_type(tuple(study["modalities"]), architecture)
    except ValueError as error:
        raise InputError(option, str(error), _REMEDY) from error


def translation_pipeline(method: str, train: Callable[..., Any]) -> Pipeline:
    """The template of such a method, in its namespace: train it, score it, segment with it."""
    training = Pipeline(
        [
            Node(
                train,
                ["study", "subjects", "training_workspace", "params:architecture", "params:training"],
                ["model", "training_history"],
                name="train_network",
            )
        ],
        namespace=method,
        inputs={"study", "subjects"},
    )
    return training + score_pipeline(method) + segmentation_template(method)
