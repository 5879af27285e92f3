"""Training of NeuroQuant's peer, on what NeuroQuant is trained on."""

from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.models.vqvae import MonaiVQVAE, VQVAEArchitecture
from mrisynth_pipeline.pipelines.neuroquant.training import paired_samples
from mrisynth_pipeline.pipelines.study import TWO_CONTRASTS, seed_training, training_identity
from mrisynth_pipeline.pipelines.training import trained
from mrisynth_pipeline.training.volumetric_autoencoding import VolumetricAutoencoding, VolumetricParameters


def train_vqvae(
    architecture: VQVAEArchitecture,
    parameters: VolumetricParameters,
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    tracked_as: str,
) -> tuple[TrainedModel, pd.DataFrame]:
    """MONAI's VQ-VAE on the patches and the pairs of contrasts that NeuroQuant's Stage I would see.

    Args:
        architecture: Sizes.
        parameters: Losses, patches and schedule.
        study: Who is trained on.
        subjects: Their files.
        workspace: Folder of checkpoints and early looks.
        tracked_as: Prefix of the metrics in MLflow.

    Raises:
        InputError: As of NeuroQuant's Stage I.
    """
    seed_training(parameters.optimisation.seed)
    network = MonaiVQVAE(tuple(study["modalities"]), architecture)
    members, samples = paired_samples(study, subjects, parameters, "neuroquant.stage1")
    identity = training_identity(study, architecture, parameters)
    training = VolumetricAutoencoding(network, parameters)
    return trained(training, network, samples, study, members, workspace, identity, tracked_as, needs=TWO_CONTRASTS)
