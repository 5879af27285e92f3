"""What misalignment of one input costs, for every method that has been trained."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mrisynth_pipeline.evaluation.harness import through_the_door
from mrisynth_pipeline.evaluation.misalignment import (
    covered_cases,
    displaced_inputs,
    draw_cases,
    score_misaligned,
    voxel_spacing,
)
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, RobustnessParameters
from mrisynth_pipeline.evaluation.realignment import register_cases
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.misalignment import shown_case
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.products import marked, may_lack
from mrisynth_pipeline.pipelines.study import complete_subjects
from mrisynth_pipeline.sampling.availability import parse_subset
from mrisynth_pipeline.sampling.slices import telling_slice

logger = logging.getLogger(__name__)


def draw_misalignments(
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: RobustnessParameters,
    preprocessing: PreprocessingParameters,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The moved inputs, the same for all methods; as they are, and registered as the cohort was.

    Returns:
        The cases, and slices ``[y, x]`` of the one that is shown: ``aligned/{contrast}``, ``displaced/{contrast}`` of
        every input, and ``truth``.
    """
    spacing, modalities = tuple(reversed(study["grid"]["spacing_mm"])), tuple(study["modalities"])
    cases = draw_cases(complete_subjects(study, "test"), modalities, parameters, spacing)
    cases = register_cases(cases, subjects, parameters, preprocessing.registration)
    slices = {}
    if (case := shown_case(cases)) is not None:
        volumes, displaced, z = _shown_volumes(case, subjects, modalities)
        for name in case["inputs"].split("+"):
            slices[f"aligned/{name}"] = volumes[modalities.index(name), z].numpy()
            slices[f"displaced/{name}"] = displaced[modalities.index(name), z].numpy()
        slices["truth"] = volumes[modalities.index(case["target"]), z].numpy()
    return cases, slices


@may_lack("*.model")
def score_robustness(
    model: TrainedModel | None,
    cases: pd.DataFrame,
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: EvaluationParameters,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """A method's scores on the cases that it covers, and a slice to look at; of one that is not trained, none.

    Returns:
        The scores, and the imputed slice of the farthest shift in space of the first subject, with ``aligned`` and with
        ``displaced`` inputs.
    """
    if model is None:
        logger.info("This method has not been trained: nothing to score")
        return pd.DataFrame(columns=["method"]), {}
    modalities, windows, name = tuple(study["modalities"]), study["slice_windows"], model.network.name
    covered = covered_cases(cases, modalities, model.network.covers)
    if covered.empty:
        logger.warning("%s is asked for nothing that it was made for: name its inputs in robustness.inputs", name)
        return pd.DataFrame(columns=["method"]), {}
    predict = through_the_door(model.network.to(usable_device(parameters.device)), parameters)
    scores = score_misaligned(name, predict, subjects, covered, modalities, parameters, windows)
    slices, case = {}, shown_case(cases)
    if case is not None and not covered_cases(pd.DataFrame([case]), modalities, model.network.covers).empty:
        volumes, displaced, z = _shown_volumes(case, subjects, modalities)
        available, target = parse_subset(case["inputs"], modalities), modalities.index(case["target"])
        stacks = {"aligned": volumes, "displaced": displaced}
        slices = {key: predict(stack, available)[target, z].numpy() for key, stack in stacks.items()}
    return marked(scores, study), slices


def _shown_volumes(
    case: dict[str, Any], subjects: SubjectStore, modalities: tuple[str, ...]
) -> tuple[Tensor, Tensor, int]:
    """The volumes as prepared and with one contrast moved, and the slice to look at."""
    file = subjects.open(case["subject"])
    volumes = torch.from_numpy(file.volumes())
    displaced = displaced_inputs(volumes, case, modalities, voxel_spacing(file))
    return volumes, displaced, telling_slice(file.mask(), file.segmentation())
