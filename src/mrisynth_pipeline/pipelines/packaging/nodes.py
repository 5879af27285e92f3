"""A trained model with all that its use on a lab's own scans asks for: preprocessing, units, doubt, familiarity."""

import logging
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.calibration import fit_expected_error, score_expected_error
from mrisynth_pipeline.evaluation.description import fit_familiarity
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, PackagingParameters
from mrisynth_pipeline.imaging.intensity import IntensityMap, typical_map
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.expected_error import ExpectedError
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.products import marked, may_lack
from mrisynth_pipeline.sampling.availability import parse_subset

logger = logging.getLogger(__name__)

PACKAGE_VERSION = 1
"""Raised when a section of the card changes its meaning."""


@may_lack("*.model")
def prepare_package(
    model: TrainedModel | None,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: PackagingParameters,
    evaluation: EvaluationParameters,
) -> TrainedModel | dict:
    """The model with a card that has ``preprocessing``, ``units``, ``doubt``, ``familiarity`` and ``package``.

    Returns:
        The package; ``{}`` for a method that has not been trained, or was trained on other data.

    Raises:
        InputError: The study was described before its preprocessing was part of it, or a set of inputs names a contrast
            that the study lacks.
    """
    if model is None:
        logger.info("This method has not been trained: there is nothing to package")
        return {}
    name, trained_on = model.network.name, model.card.get("training_data", {}).get("fingerprint")
    if trained_on != study["data_fingerprint"]:
        logger.warning("%s was trained on other data: no package. Train it again", name)
        return {}
    if "preprocessing" not in study:
        remedy = "Run preprocessing again: kedro run --pipelines preprocessing"
        raise InputError("study.json", "does not say how its scans were prepared", remedy)
    for inputs in parameters.inputs:
        try:
            parse_subset(inputs, tuple(study["modalities"]))
        except ValueError as error:
            raise InputError("packaging.inputs", str(error), "Correct it in conf/ or with --params") from error
    method = model.network.to(usable_device(evaluation.device))
    if not study["validation"]:
        logger.warning("No validation subject: the doubt of %s is not calibrated", name)
    doubt = fit_expected_error(method, subjects, study["validation"], study["train"], parameters, evaluation.batch_size)
    familiar = fit_familiarity(method, subjects, study["train"], parameters.reference_subjects, evaluation.batch_size)
    sections = {
        "package": {"version": PACKAGE_VERSION, "planes": parameters.planes},
        "preprocessing": study["preprocessing"],
        "units": _units(study, subjects),
        "doubt": doubt.record(),
        "familiarity": familiar.record(),
    }
    return TrainedModel(model.network, {**model.card, **sections})


@may_lack("*.package")
def score_package(
    package: TrainedModel | None,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: PackagingParameters,
    evaluation: EvaluationParameters,
) -> pd.DataFrame:
    """How well the expected error orders and predicts errors on test subjects; empty where there is no calibration."""
    if package is None:
        return pd.DataFrame({"method": []})
    method = package.network.to(usable_device(evaluation.device))
    doubt = ExpectedError.of(package.card["doubt"])
    return marked(
        score_expected_error(method, doubt, subjects, study["test"], parameters, evaluation.batch_size), study
    )


def _units(study: dict[str, Any], subjects: SubjectStore) -> dict[str, dict[str, Sequence[float]]]:
    """Per contrast the typical map from scanner units to [0, 1] of the training subjects that have it."""
    maps: dict[str, list[IntensityMap]] = {name: [] for name in study["modalities"]}
    for subject in study["train"]:
        for name, record in subjects.open(subject).metadata["intensity"].items():
            if name in maps:
                maps[name].append(IntensityMap.of(record))
    return {name: typical_map(found).record() for name, found in maps.items() if found}
