"""CodeBrain's Stage I: the autoencoder and its codes."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

from mrisynth_pipeline.evaluation.harness import score_cohort
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
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
    usable_device,
)
from mrisynth_pipeline.reporting.charts import code_usage
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
        slice_samples(subjects, members, parameters),
        slice_samples(subjects, complete_subjects(study, "validation"), parameters, augmented=False),
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


def score_true_codes(
    autoencoder: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the decoder makes of the *true* codes, in the same table as the methods, and how often each code is used.

    These rows have seen the truth: they are the ceiling of what Stage II can reach, not a method.
    """
    device = usable_device(parameters.device)
    network: CodeBrainAutoencoder = autoencoder.network.to(device)
    codes = network.codes
    counts = torch.zeros(codes.codebook_size, dtype=torch.long)

    @torch.inference_mode()
    def reconstruct(volumes: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
        slices = volumes.transpose(0, 1)
        imputed = torch.zeros_like(slices)
        for part in (slices != 0).flatten(1).any(1).nonzero()[:, 0].split(parameters.batch_size):
            images = slices[part].to(device)
            prediction, values = network(images, available.expand(len(images), -1).to(device))
            imputed[part] = prediction.clamp(0.0, 1.0).cpu()
            indices = codes.to_indices(codes.to_levels(values)).flatten().cpu()
            counts.add_(torch.bincount(indices, minlength=codes.codebook_size))
        return imputed.transpose(0, 1)

    members, modalities = complete_subjects(study, "test")[: parameters.ceiling_subjects], tuple(study["modalities"])
    scores = score_cohort("stage1", reconstruct, subjects, members, modalities, parameters)
    return scores, pd.DataFrame({"code": range(len(counts)), "count": counts.numpy()})


def draw_code_usage(code_counts: pd.DataFrame) -> Figure:
    """How often each code is used on the test subjects, over all subsets."""
    return code_usage(code_counts["count"].to_numpy())
