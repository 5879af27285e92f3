"""How good the imputations are, for every method through one door."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from mrisynth_pipeline.evaluation.harness import score_cohort, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.statistics import summarise_scores
from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage
from mrisynth_pipeline.models.codebrain import CodeBrainAutoencoder
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.study import complete_subjects, example_subjects, model_card, usable_device
from mrisynth_pipeline.reporting.charts import pair_heatmap, scores_by_inputs
from mrisynth_pipeline.reporting.images import imputation_grid, telling_slice
from mrisynth_pipeline.sampling.availability import example_subsets, parse_subset, subset_name


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
        study["slice_windows"],
    )


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
    scores = score_cohort("stage1", reconstruct, subjects, members, modalities, parameters, study["slice_windows"])
    return scores, pd.DataFrame({"code": range(len(counts)), "count": counts.numpy()})


def summarise_evaluation(parameters: EvaluationParameters, *scores: pd.DataFrame) -> dict[str, Any]:
    """The numbers of the report from all methods' scores."""
    return summarise_scores(
        pd.concat(scores, ignore_index=True), n_resamples=parameters.bootstrap_samples, seed=parameters.seed
    )


def draw_heat_map(summary: dict[str, Any], scores: pd.DataFrame) -> Figure:
    """Slice PSNR of one method for every (subset → target) pair."""
    return pair_heatmap(summary, scores["method"].iloc[0])


def draw_scores_by_inputs(summary: dict[str, Any]) -> Figure:
    """Slice PSNR of all methods against the number of available contrasts."""
    return scores_by_inputs(summary)


def draw_examples(
    study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters, *models: TrainedModel
) -> dict[str, Figure]:
    """Inputs, truth, imputations and errors of some test subjects, for some availability subsets."""
    device, modalities = usable_device(parameters.device), tuple(study["modalities"])
    methods = [model.network.to(device) for model in models]
    subsets = [parse_subset(text, modalities) for text in parameters.example_inputs] or example_subsets(modalities)
    chosen = example_subjects(study, subjects, parameters.example_subjects)
    return {
        f"{subject}_from_{subset_name(subset.tolist(), modalities)}": _example(
            subjects.open(subject), subset, methods, parameters
        )
        for subject in chosen
        for subset in subsets
    }


def _example(
    file: SubjectFile, subset: torch.Tensor, methods: list[Imputer], parameters: EvaluationParameters
) -> Figure:
    volumes, labels, modalities = torch.from_numpy(file.volumes()), file.segmentation(), file.metadata["modalities"]
    z = telling_slice(file.mask(), labels)
    imputed = {m.name: through_the_door(m, parameters)(volumes, subset)[:, z].numpy() for m in methods}
    return imputation_grid(
        volumes[:, z].numpy(),
        modalities,
        [name for name, have in zip(modalities, subset.tolist(), strict=True) if have],
        imputed,
        subject=file.metadata["subject"],
        segmentation=None if labels is None else labels[z],
    )
