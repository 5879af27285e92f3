"""CodeBrain's Stage I: the autoencoder and its codes."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.codebrain import CodeBrainArchitecture, CodeBrainAutoencoder
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.incomplete import members_for_imputation
from mrisynth_pipeline.pipelines.study import seed_training, training_identity
from mrisynth_pipeline.pipelines.training import trained
from mrisynth_pipeline.sampling.slices import slice_samples
from mrisynth_pipeline.training.autoencoding import Autoencoding, AutoencodingParameters


def train_autoencoder(
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    architecture: CodeBrainArchitecture,
    parameters: AutoencodingParameters,
    tracked_as: str = "stage1",
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train encoder, codes and decoder on the complete training subjects, or on all with two contrasts.

    Raises:
        InputError: Nobody is left to train on.
    """
    seed_training(parameters.optimisation.seed)
    network = CodeBrainAutoencoder(len(study["modalities"]), architecture)
    members, held_out, needs = members_for_imputation(study, subjects, parameters.incomplete)
    samples = partial(slice_samples, subjects, parameters=parameters, windows=study["slice_windows"])
    return trained(
        Autoencoding(network, len(study["modalities"]), parameters),
        network,
        (samples(members), samples(held_out, augmented=False)),
        study,
        members,
        workspace,
        training_identity(study, architecture, parameters),
        tracked_as,
        needs=needs,
    )
