"""NeuroQuant (arXiv 2604.05171): both stages trained, scored, its codes examined, and its imputations segmented."""

from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.neuroquant import NeuroQuantArchitecture
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.neuroquant.training import train_anatomical_autoencoder, train_index_predictor
from mrisynth_pipeline.training.anatomical import AnatomicalParameters
from mrisynth_pipeline.training.index_prediction import IndexPredictionParameters


def train_autoencoder(
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    architecture: NeuroQuantArchitecture,
    parameters: AnatomicalParameters,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Stage I: encoder, codebook and decoder of single images, on all subjects with two or more contrasts."""
    return train_anatomical_autoencoder(architecture, parameters, study, subjects, workspace, "neuroquant/stage1")


def train_code_predictor(
    autoencoder: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    parameters: IndexPredictionParameters,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Stage II: the codes from incomplete stacks; both stages together are the imputer."""
    return train_index_predictor(autoencoder, parameters, study, subjects, workspace, "neuroquant/stage2")
