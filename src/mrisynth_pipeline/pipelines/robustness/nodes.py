"""What misalignment of one input costs, for every method that has been trained."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import torch

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
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
from mrisynth_pipeline.metrics.misalignment import TRANSLATION_MM
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.products import marked, may_lack
from mrisynth_pipeline.pipelines.study import complete_subjects, usable_device
from mrisynth_pipeline.sampling.availability import parse_subset
from mrisynth_pipeline.sampling.slices import telling_slice

logger = logging.getLogger(__name__)


def draw_misalignments(
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: RobustnessParameters,
    preprocessing: PreprocessingParameters,
) -> pd.DataFrame:
    """The moved inputs, the same for all methods; as they are, and registered as the cohort was."""
    spacing = tuple(reversed(study["grid"]["spacing_mm"]))
    cases = draw_cases(complete_subjects(study, "test"), tuple(study["modalities"]), parameters, spacing)
    return register_cases(cases, subjects, parameters, preprocessing.registration)


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
        file = subjects.open(case["subject"])
        volumes, available = torch.from_numpy(file.volumes()), parse_subset(case["inputs"], modalities)
        moved = displaced_inputs(volumes, case, modalities, voxel_spacing(file))
        where = modalities.index(case["target"]), telling_slice(file.mask(), file.segmentation())
        stacks = {"aligned": volumes, "displaced": moved}
        slices = {name: predict(stack, available)[where].numpy() for name, stack in stacks.items()}
    return marked(scores, study), slices


def shown_case(cases: pd.DataFrame) -> dict[str, Any] | None:
    """The case of the example figure: the farthest shift in space of the first subject, not registered."""
    shifts = cases[(cases["kind"] == TRANSLATION_MM) & ~cases["registered"]]
    if shifts.empty:
        return None
    return shifts[shifts["subject"] == shifts["subject"].iloc[0]].nlargest(1, "amount").to_dict("records")[0]


def motion_in_words(case: dict[str, Any]) -> str:
    """``T2 shifted by 8 mm``."""
    return f"{DISPLAY_NAMES[case['moved']]} shifted by {case['amount']:g} mm"
