"""CodeBrain's Stage II: predicting the codes from what is available."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.codebrain import CodeBrain
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.incomplete import members_for_imputation
from mrisynth_pipeline.pipelines.study import EVERY_CONTRAST, seed_training, training_identity
from mrisynth_pipeline.pipelines.training import trained
from mrisynth_pipeline.sampling.slices import slice_samples
from mrisynth_pipeline.training.code_prediction import CodePrediction, CodePredictionParameters


def train_code_predictor(
    autoencoder: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    parameters: CodePredictionParameters,
    tracked_as: str = "stage2",
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train the predictor of the frozen autoencoder's codes; both together are the imputer.

    Raises:
        InputError: Nobody is left to train on; or incomplete stacks are to be learned from by their codes, which an
            autoencoder that has met complete ones alone does not know.
    """
    if parameters.incomplete and autoencoder.card["training_data"].get("needs", EVERY_CONTRAST) == EVERY_CONTRAST:
        raise InputError(
            "codebrain.stage2.incomplete",
            "the autoencoder was trained on complete stacks alone, what it makes of others are no codes to learn",
            "Set codebrain.stage1.incomplete=true as well and run stage1 again",
        )
    seed_training(parameters.optimisation.seed)
    architecture = autoencoder.network.architecture
    method = CodeBrain(tuple(study["modalities"]), architecture)
    method.autoencoder.load_state_dict(autoencoder.network.state_dict())
    members, held_out, needs = members_for_imputation(study, subjects, parameters.incomplete)
    samples = partial(slice_samples, subjects, parameters=parameters, windows=study["slice_windows"])
    return trained(
        CodePrediction(method, parameters),
        method,
        (samples(members), samples(held_out, augmented=False)),
        study,
        members,
        workspace,
        training_identity(study, architecture, parameters),
        tracked_as,
        autoencoder,
        needs,
    )
