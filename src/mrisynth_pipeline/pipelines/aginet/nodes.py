"""AGI-Net (arXiv 2411.14684): trained, scored, and its imputations segmented."""

from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.aginet import AGINet, AGINetArchitecture
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.translation import train_translator
from mrisynth_pipeline.training.translation import TranslationParameters


def train_aginet(
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    architecture: AGINetArchitecture,
    parameters: TranslationParameters,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train AGI-Net on the complete training subjects."""
    return train_translator(AGINet, architecture, parameters, study, subjects, workspace, "aginet")
