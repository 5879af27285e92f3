"""CodeBrain's Stage II: predicting the codes from what is available."""

from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.codebrain import CodeBrain
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
from mrisynth_pipeline.training.code_prediction import CodePrediction, CodePredictionParameters
from mrisynth_pipeline.training.fit import fit, last_validation


def train_code_predictor(
    autoencoder: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    parameters: CodePredictionParameters,
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train the predictor of the frozen autoencoder's codes; both together are the imputer."""
    seed_training(parameters.optimisation.seed)
    architecture = autoencoder.network.architecture
    method = CodeBrain(tuple(study["modalities"]), architecture)
    method.autoencoder.load_state_dict(autoencoder.network.state_dict())
    members = complete_subjects(study, "train")
    history = fit(
        CodePrediction(method, parameters),
        slice_samples(subjects, members, parameters, study["slice_windows"]),
        slice_samples(
            subjects, complete_subjects(study, "validation"), parameters, study["slice_windows"], augmented=False
        ),
        parameters.optimisation,
        workspace,
        training_identity(study, architecture, parameters) + autoencoder.card["training_identity"],
        trackers("stage2"),
    )
    card = model_card(
        study,
        members,
        parameters=parameter_count(method),
        validation={"stage1": autoencoder.card["validation"], "stage2": last_validation(history)},
    )
    return TrainedModel(method, card), history
