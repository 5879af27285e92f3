"""What each trial of the benchmark is asked, and what it comes to."""

from dataclasses import replace
from typing import Any

import pandas as pd
import torch

from mrisynth_pipeline.evaluation.costs import giga_macs, peak_memory
from mrisynth_pipeline.evaluation.downstream import zero_filled
from mrisynth_pipeline.evaluation.exam import SEGMENTED, Exam
from mrisynth_pipeline.evaluation.harness import everything, through_the_door
from mrisynth_pipeline.evaluation.limits import blank, resampled_truth
from mrisynth_pipeline.evaluation.true_codes import TrueCodes
from mrisynth_pipeline.metrics.segmentation_statistics import REAL, ZERO
from mrisynth_pipeline.models.codebrain import CodeBrain
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.trials import Tables


def judge_limits(exam: Exam, model: TrainedModel) -> Tables:
    """Floor and ceiling of the protocol, and what the segmenters make of real and of blank scans.

    Args:
        exam: What is asked, on whom.
        model: Not looked at.

    Returns:
        ``limits`` (scores), and ``segmentations`` where there is a segmenter.
    """
    images_alone = replace(exam, segmenters={})
    rows = {"blank": blank, "resampled": resampled_truth}
    limits = [images_alone.take(name, predict, everything)["scores"] for name, predict in rows.items()]
    tables = {"limits": pd.concat(limits, ignore_index=True)}
    if not exam.segmenters:
        return tables
    one_missing = tuple(name for name in exam.asked() if name.count("+") == len(exam.modalities) - 2)
    ends = {REAL: lambda volumes, _: volumes, ZERO: zero_filled}
    found = [
        replace(exam, subsets=one_missing).take(name, predict, everything).get(SEGMENTED)
        for name, predict in ends.items()
    ]
    if found := [part for part in found if part is not None]:
        tables[SEGMENTED] = pd.concat(found, ignore_index=True)
    return tables


def judge_training(name: str, seed: int, exam: Exam, model: TrainedModel) -> Tables:
    """Everything that is asked of one training.

    Args:
        name: Of the contestant.
        seed: Of its training; a ceiling of its own is measured for the first one.
        exam: What is asked, on whom.
        model: What was trained; its card says what memory that took.

    Returns:
        ``scores``, ``segmentations`` (where there is a segmenter), ``costs`` (one row), and of CodeBrain ``limits``.
    """
    device = usable_device(exam.parameters.device)
    method: Imputer = model.network.to(device)
    tables = exam.take(name, through_the_door(method, exam.parameters), method.covers)
    tables["costs"] = pd.DataFrame(
        [_costs(method, exam, device) | {"training_peak_mb": model.card.get("training_peak_mb")}]
    )
    if isinstance(method, CodeBrain) and seed == 0:
        true_codes = TrueCodes(method.autoencoder, exam.parameters)
        tables["limits"] = replace(exam, segmenters={}).take(f"{name}_true_codes", true_codes, everything)["scores"]
    return tables


def _costs(method: Imputer, exam: Exam, device: torch.device) -> dict[str, Any]:
    """What imputing one volume from all others costs, on the first test subject."""
    volumes = torch.from_numpy(exam.store.open(exam.subjects[0]).volumes())
    available = torch.ones(len(volumes), dtype=torch.bool)
    available[min(1, len(volumes) - 1)] = False
    predict = through_the_door(method, exam.parameters)
    with peak_memory(device) as peak:
        predict(volumes, available)
    return {"giga_macs": giga_macs(method, volumes * available[:, None, None, None], available), "peak_mb": peak.mb}


def headline(tables: Tables) -> dict[str, float]:
    """What a trial comes to, for the list of runs in MLflow: means over its rows."""
    scores = tables["scores"]
    numbers = [column for column in scores.columns if column.startswith(("slice_", "volume_", "brasyn_"))]
    found = {name: float(value) for name, value in scores[numbers].mean().items()}
    found["seconds_per_volume"] = float(scores["seconds"].mean())
    if SEGMENTED in tables:
        patients = tables[SEGMENTED][~tables[SEGMENTED]["healthy"]]
        dice = patients.groupby(["segmenter", "missing", "region"])["dice"].mean()
        found |= {f"dice.{'.'.join(key)}": float(value) for key, value in dice.items()}
    return found
