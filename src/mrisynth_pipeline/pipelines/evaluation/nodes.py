"""How good the imputations are, for every method through one door."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import torch

from mrisynth_pipeline.evaluation.harness import score_cohort, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.true_codes import TrueCodes
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.examples import case_name, shown_cases
from mrisynth_pipeline.pipelines.products import marked
from mrisynth_pipeline.pipelines.study import ANY_CONTRAST, complete_subjects, model_card
from mrisynth_pipeline.sampling.slices import telling_slice

logger = logging.getLogger(__name__)


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
    card = model_card(study, study["train"], ANY_CONTRAST)
    return TrainedModel(linear, card), TrainedModel(mean, card)


def score_method(
    model: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> pd.DataFrame:
    """Every availability subset of every test subject; see :mod:`mrisynth_pipeline.evaluation.harness`."""
    method = model.network.to(usable_device(parameters.device))
    scores = score_cohort(
        method.name,
        through_the_door(method, parameters),
        subjects,
        study["test"],
        tuple(study["modalities"]),
        parameters,
        study["slice_windows"],
        covers=method.covers,
    )
    return marked(scores, study)


def impute_examples(
    model: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> dict[str, np.ndarray]:
    """For the figures: ``{subject}_from_{inputs}`` → imputed contrasts ``[modality, y, x]`` of the telling slice.

    Of a method for a fixed scenario only those in which it was made for everything that is missing.
    """
    predict, covers = (
        through_the_door(model.network.to(usable_device(parameters.device)), parameters),
        model.network.covers,
    )
    slices = {}
    for subject, subset in shown_cases(study, subjects, parameters):
        if not all(covers(subset, target) for target in (~subset).nonzero()[:, 0].tolist()):
            continue
        file = subjects.open(subject)
        z = telling_slice(file.mask(), file.segmentation())
        name = case_name(subject, subset, study)
        slices[name] = predict(torch.from_numpy(file.volumes()), subset)[:, z].numpy()
    return slices


def score_true_codes(
    autoencoder: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the decoder makes of the *true* codes, in the same table as the methods, and how often each code is used.

    These rows have seen the truth: they are the ceiling of what Stage II can reach, not a method. Both tables are empty
    where no test subject has every contrast.
    """
    members = complete_subjects(study, "test", may_be_none=True)[: parameters.ceiling_subjects]
    if not members:
        logger.warning("No test subject has every contrast: there are no true codes, and no ceiling to score")
        return pd.DataFrame({"method": []}), pd.DataFrame({"code": [], "count": []})
    true_codes = TrueCodes(autoencoder.network.to(usable_device(parameters.device)), parameters)
    modalities = tuple(study["modalities"])
    scores = score_cohort("stage1", true_codes, subjects, members, modalities, parameters, study["slice_windows"])
    counts = true_codes.counts.numpy()
    return marked(scores, study), pd.DataFrame({"code": range(len(counts)), "count": counts})
