"""The one harness: every availability subset of every test subject, the same for all methods."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.image import TrueVolume
from mrisynth_pipeline.models.door import Imputer, impute_volume
from mrisynth_pipeline.sampling.availability import all_subsets, subset_name
from mrisynth_pipeline.sampling.slices import SliceWindows, brain_slices

logger = logging.getLogger(__name__)

Predict = Callable[[Float[Tensor, "modality z y x"], Bool[Tensor, " modality"]], Float[Tensor, "modality z y x"]]
"""Volumes and availability of one subject in, volumes of all modalities out."""

Covers = Callable[[Bool[Tensor, " modality"], int], bool]
"""Whether a method is to be asked for a target (its channel) given what is available."""


def everything(available: Bool[Tensor, " modality"], target: int) -> bool:
    """The :data:`Covers` of a method that imputes any contrast from any others."""
    return True


def hidden(
    volumes: Float[Tensor, "modality z y x"], available: Bool[Tensor, " modality"]
) -> Float[Tensor, "modality z y x"]:
    """The volumes with NaN wherever a method must not look: peeking cannot go unnoticed."""
    return torch.where(available[:, None, None, None], volumes, torch.nan)


def through_the_door(method: Imputer, parameters: EvaluationParameters) -> Predict:
    """A method as a function of one subject's volumes; missing contrasts arrive as NaN."""

    def predict(volumes: Tensor, available: Tensor) -> Tensor:
        return impute_volume(method, hidden(volumes, available), available, parameters.batch_size)

    return predict


def score_subject(
    name: str,
    predict: Predict,
    file: SubjectFile,
    modalities: tuple[str, ...],
    parameters: EvaluationParameters,
    window: Sequence[int] | None = None,
    covers: Covers = everything,
) -> list[dict]:
    """Every (subset → missing contrast) pair of one subject that the method covers.

    Contrasts that the subject never had are neither offered as input nor scored.

    Args:
        name: Name of the method in the table.
        predict: The method.
        file: The subject.
        modalities: Contrasts in channel order.
        parameters: Which slices count.
        window: First and last slice that count instead, where a published list says so.
        covers: Which pairs the method is asked for, such as its :meth:`~.Imputer.covers`.

    Returns:
        Rows with ``method``, ``subject``, ``inputs``, ``n_inputs``, ``target`` and the scores of both protocols.
    """
    volumes, mask = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask())
    present = torch.from_numpy(np.asarray(file.present))
    slices = brain_slices(file.mask(), parameters.minimum_brain_area, window)
    truth = {
        channel: TrueVolume(volumes[channel], mask, slices) for channel in range(len(modalities)) if present[channel]
    }
    rows = []
    for subset in all_subsets(len(modalities)):
        if (subset & ~present).any():
            continue
        targets = [channel for channel in truth if not subset[channel] and covers(subset, channel)]
        if not targets:
            continue
        imputed = predict(volumes, subset)
        for channel in targets:
            identity = {
                "method": name,
                "subject": file.metadata["subject"],
                "inputs": subset_name(subset.tolist(), modalities),
                "n_inputs": int(subset.sum()),
                "target": modalities[channel],
            }
            rows.append(identity | truth[channel].score(imputed[channel]))
    return rows


def score_cohort(
    name: str,
    predict: Predict,
    store: SubjectStore,
    subjects: Sequence[str],
    modalities: tuple[str, ...],
    parameters: EvaluationParameters,
    windows: SliceWindows,
    covers: Covers = everything,
) -> pd.DataFrame:
    """Score a method on every subject; a subject on which it fails is reported and left out.

    Args:
        name: Name of the method in the table.
        predict: The method.
        store: The subject files.
        subjects: Whom to score.
        modalities: Contrasts in channel order.
        parameters: How.
        windows: See :data:`~mrisynth_pipeline.sampling.slices.SliceWindows`.
        covers: Which pairs the method is asked for, such as its :meth:`~.Imputer.covers`.

    Returns:
        One row per subject, subset and covered target.

    Raises:
        RuntimeError: If it fails on every subject, or no subject has what it covers.
    """
    rows, failures = [], []
    for subject in tqdm(subjects, desc=f"Scoring {name}", unit="subject"):
        try:
            file, window = store.open(subject), windows.get(subject)
            rows += score_subject(name, predict, file, modalities, parameters, window, covers)
        except Exception as error:
            logger.exception("%s failed on subject %s: it is left out of the method's rows", name, subject)
            failures.append(f"{subject}: {error}")
    if not rows and not failures:
        raise RuntimeError(f"{name} cannot be scored: no test subject has both inputs and a target of it")
    if not rows:
        raise RuntimeError(f"{name} failed on every test subject: " + "; ".join(failures[:3]))
    return pd.DataFrame(rows)
