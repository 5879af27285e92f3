"""ResUNet, the plain network beside AGI-Net: trained, scored, and its imputations segmented."""

from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.models.resunet import ResUNet, ResUNetArchitecture
from mrisynth_pipeline.pipelines.translation import train_translator
from mrisynth_pipeline.training.translation import TranslationParameters


def train_resunet(
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    architecture: ResUNetArchitecture,
    parameters: TranslationParameters,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train ResUNet on the complete training subjects."""
    return train_translator(ResUNet, architecture, parameters, study, subjects, workspace, "resunet")
