"""CodeBrain's Stage I: the autoencoder and its codes."""

from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.codebrain import CodeBrainArchitecture, CodeBrainAutoencoder
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.study import (
    complete_subjects,
    model_card,
    parameter_count,
    seed_training,
    trackers,
    training_identity,
)
from mrisynth_pipeline.sampling.slices import slice_samples
from mrisynth_pipeline.training.autoencoding import Autoencoding, AutoencodingParameters
from mrisynth_pipeline.training.fit import fit, last_validation


def train_autoencoder(
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    architecture: CodeBrainArchitecture,
    parameters: AutoencodingParameters,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train encoder, codes and decoder on the complete training subjects."""
    seed_training(parameters.optimisation.seed)
    network = CodeBrainAutoencoder(len(study["modalities"]), architecture)
    members = complete_subjects(study, "train")
    identity = training_identity(study, architecture, parameters)
    history = fit(
        Autoencoding(network, len(study["modalities"]), parameters),
        slice_samples(subjects, members, parameters, study["slice_windows"]),
        slice_samples(
            subjects, complete_subjects(study, "validation"), parameters, study["slice_windows"], augmented=False
        ),
        parameters.optimisation,
        workspace,
        identity,
        trackers("stage1"),
    )
    card = model_card(
        study,
        members,
        parameters=parameter_count(network),
        validation=last_validation(history),
        training_identity=identity,
    )
    return TrainedModel(network, card), history
