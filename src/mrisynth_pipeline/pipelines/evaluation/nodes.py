"""How good the imputations are, for every method through one door."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from mrisynth_pipeline.evaluation.harness import score_cohort, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.statistics import summarise_scores
from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.study import complete_subjects, model_card, usable_device
from mrisynth_pipeline.reporting.figures import imputation_grid, pair_heat_map


def fit_baselines(study: dict[str, Any], subjects: SubjectStore) -> tuple[TrainedModel, TrainedModel]:
    """Linear regression and mean image from one pass over the training subjects (incomplete ones count too)."""
    modalities = tuple(study["modalities"])
    linear = LinearRegression(modalities)
    mean = MeanImage(modalities, tuple(reversed(study["grid"]["size"])))
    for subject in study["train"]:
        file = subjects.open(subject)
        volumes, present = torch.from_numpy(file.volumes()), torch.from_numpy(np.asarray(file.present))
        linear.accumulate(volumes, present)
        mean.accumulate(volumes, present)
    card = model_card(study, study["train"])
    return TrainedModel(linear, card), TrainedModel(mean, card)


def score_method(
    model: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> pd.DataFrame:
    """Every availability subset of every test subject; see :mod:`mrisynth_pipeline.evaluation.harness`."""
    method = model.network.to(usable_device(parameters.device))
    return score_cohort(
        method.name,
        through_the_door(method, parameters),
        subjects,
        study["test"],
        tuple(study["modalities"]),
        parameters,
    )


def summarise_evaluation(parameters: EvaluationParameters, *scores: pd.DataFrame) -> dict[str, Any]:
    """The numbers of the report from all methods' scores."""
    return summarise_scores(
        pd.concat(scores, ignore_index=True), n_resamples=parameters.bootstrap_samples, seed=parameters.seed
    )


def draw_heat_map(*scores: pd.DataFrame) -> Figure:
    """Slice PSNR of every (subset → target) pair and method."""
    return pair_heat_map(pd.concat(scores, ignore_index=True))


def draw_examples(
    study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters, *models: TrainedModel
) -> dict[str, Figure]:
    """Inputs, truth, imputations and errors: each contrast of some test subjects imputed from all the others."""
    device = usable_device(parameters.device)
    methods = [model.network.to(device) for model in models]
    return {
        subject: _example(subject, subjects, methods, parameters)
        for subject in _examples(study, subjects, parameters.example_subjects)
    }


def _examples(study: dict[str, Any], subjects: SubjectStore, count: int) -> list[str]:
    """The complete test subjects with the largest tumours (without labels: the first ones)."""

    def tumour(subject: str) -> int:
        labels = subjects.open(subject).segmentation()
        return 0 if labels is None else int((labels > 0).sum())

    return sorted(complete_subjects(study, "test"), key=tumour, reverse=True)[:count]


def _example(subject: str, subjects: SubjectStore, methods: list, parameters: EvaluationParameters) -> Figure:
    file = subjects.open(subject)
    volumes, labels = torch.from_numpy(file.volumes()), file.segmentation()
    # The slice with the most tumour, or else the one with the most brain.
    area = labels > 0 if labels is not None and labels.any() else file.mask()
    z = int(area.sum((1, 2)).argmax())
    imputed: dict[str, np.ndarray] = {}
    for method in methods:
        predict = through_the_door(method, parameters)
        slices = []
        for channel in range(len(volumes)):
            available = torch.ones(len(volumes), dtype=torch.bool)
            available[channel] = False
            slices.append(predict(volumes, available)[channel, z].numpy())
        imputed[method.name] = np.stack(slices)
    return imputation_grid(subject, file.metadata["modalities"], volumes[:, z].numpy(), imputed, labels, z)
