"""The template that examines a generative method: its doubt, temperatures, and finest latent, on the test subjects."""

from typing import Any

import numpy as np
import pandas as pd
from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.latent import LatentImputer, compare_latents, latent_pictures
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, UncertaintyParameters
from mrisynth_pipeline.evaluation.uncertainty import (
    chosen_subsets,
    doubt_example,
    score_temperatures,
    score_uncertainty,
)
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.door import SamplingImputer
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.examples import example_subjects
from mrisynth_pipeline.pipelines.products import marked
from mrisynth_pipeline.pipelines.study import complete_subjects


def score_doubt(
    model: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: UncertaintyParameters,
    evaluation: EvaluationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Standard deviation beside error for every set of inputs, and quality at every temperature.

    Raises:
        InputError: The method draws no samples, or a set of inputs names a contrast that the study lacks.
    """
    method = _sampler(model, evaluation)
    for option in ("inputs", "temperature_inputs"):
        try:
            chosen_subsets(getattr(parameters, option), method.modalities)
        except ValueError as error:
            raise InputError(f"uncertainty.{option}", str(error), "Correct it in conf/ or with --params") from error
    scores = score_uncertainty(method, subjects, study["test"], parameters, evaluation)
    temperatures = score_temperatures(method, subjects, study["test"], parameters, evaluation)
    return marked(scores, study), marked(temperatures, study)


def examine_latent(
    model: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: UncertaintyParameters,
    evaluation: EvaluationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, np.ndarray]]:
    """Components of the finest latent, distances within and between subjects, and ``{subject}/{inputs}`` as colours.

    All are empty for a method without such a latent, and for a test part in which nobody has every contrast.
    """
    method = _sampler(model, evaluation)
    if not isinstance(method, LatentImputer) or not _has_complete(study):
        return pd.DataFrame({"method": []}), pd.DataFrame({"method": []}), {}
    components, distances = compare_latents(method, subjects, complete_subjects(study, "test"), parameters)
    [subject] = example_subjects(study, subjects, 1)
    pictures = {f"{subject}/{name}": image for name, image in latent_pictures(method, subjects, subject).items()}
    return marked(components, study), marked(distances, study), pictures


def impute_doubt(
    model: TrainedModel,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: UncertaintyParameters,
    evaluation: EvaluationParameters,
) -> dict[str, np.ndarray]:
    """For the figures, of one complete test subject: ``{subject}/{inputs}/mean`` and ``…/deviation``."""
    if not _has_complete(study):
        return {}
    [subject] = example_subjects(study, subjects, 1)
    slices = doubt_example(_sampler(model, evaluation), subjects, subject, parameters, evaluation)
    return {f"{subject}/{name}": images for name, images in slices.items()}


def uncertainty_template(method: str) -> Pipeline:
    """The template, in the namespace of a method whose model is a :class:`~.SamplingImputer`."""
    inputs = ["model", "study", "subjects", "params:uncertainty", "params:evaluation"]
    return Pipeline(
        [
            Node(score_doubt, inputs, ["uncertainty_scores", "temperature_scores"], name="score_doubt"),
            Node(
                examine_latent,
                inputs,
                ["latent_components", "latent_distances", "latent_slices"],
                name="examine_latent",
            ),
            Node(impute_doubt, inputs, "doubt_slices", name="impute_doubt"),
        ],
        namespace=method,
        inputs={"study", "subjects"},
        parameters={"params:uncertainty", "params:evaluation"},
    )


def _has_complete(study: dict[str, Any]) -> bool:
    """Whether a test subject has every contrast: latents and pictures need one, and incomplete cohorts may not."""
    return bool(set(study["test"]) & set(study["complete"]))


def _sampler(model: TrainedModel, evaluation: EvaluationParameters) -> SamplingImputer:
    """The network, where it is to run.

    Raises:
        InputError: It draws no samples.
    """
    network = model.network
    if not isinstance(network, SamplingImputer):
        raise InputError(
            f"{network.name}.model", "it gives one answer and no samples to doubt", "Examine a generative method"
        )
    return network.to(usable_device(evaluation.device))
