"""What nodes of several pipelines ask of a study."""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import Any

import lightning
import mlflow
import torch
from lightning.pytorch.loggers import Logger, MLFlowLogger
from pydantic import BaseModel

from mrisynth_pipeline import __version__
from mrisynth_pipeline.cohorts.errors import InputError

logger = logging.getLogger(__name__)

_tracked = ContextVar("tracked", default=True)

EVERY_CONTRAST = "every contrast"
TWO_CONTRASTS = "two or more contrasts"
ANY_CONTRAST = "any contrast"
"""What a training asks of its subjects, as model cards say it."""


_WAYS_OUT = {
    "train": "Add subjects, set cohort.modalities to the contrasts they have, or train on incomplete ones: CodeBrain "
    "with codebrain.stage1.incomplete=true,codebrain.stage2.incomplete=true, or kedro run --pipelines mmhvae",
    "test": "Add subjects, or set cohort.modalities to the contrasts they have",
}


def complete_subjects(study: dict[str, Any], part: str, may_be_none: bool = False) -> list[str]:
    """Subjects of a part (train, validation, test) that have every contrast; says how many were left out.

    Args:
        study: Who is in the study.
        part: Which part.
        may_be_none: Whether the caller can do without any, as everyone can do without validation subjects.

    Raises:
        InputError: If nobody is left, and somebody must be.
    """
    members, complete = study[part], set(study["complete"])
    chosen = [subject for subject in members if subject in complete]
    if len(chosen) < len(members):
        logger.warning("%d of %d %s subjects lack a contrast: left out", len(members) - len(chosen), len(members), part)
    if not chosen and part in _WAYS_OUT and not may_be_none:
        raise InputError(
            f"{part} part of {study['cohort']}",
            f"none of its {len(members)} subjects has all of {', '.join(study['modalities'])}",
            _WAYS_OUT[part],
        )
    return chosen


def labelled_subjects(study: dict[str, Any], part: str) -> list[str]:
    """Complete subjects of a part that have a tumour label map; says how many labelled ones were left out."""
    labelled = [subject for subject in study[part] if subject in set(study["labelled"])]
    chosen = [subject for subject in labelled if subject in set(study["complete"])]
    if n := len(labelled) - len(chosen):
        logger.warning("%d of %d labelled %s subjects lack a contrast: left out", n, len(labelled), part)
    return chosen


def segmentation_obstacle(study: dict[str, Any]) -> str:
    """Why no tumour can be segmented downstream, as part of a sentence; ``""`` where one can."""
    for part in ("train", "test"):
        if not set(study[part]) & set(study["labelled"]):
            return "the cohort has no tumour label maps in its training and test parts"
        if not set(study[part]) & set(study["labelled"]) & set(study["complete"]):
            return f"no labelled subject of the {part} part has every contrast, which the segmenter needs"
    return ""


def training_identity(study: dict[str, Any], *parameters: BaseModel) -> str:
    """Fingerprint of what a training depends on: only a run with the same one may resume it."""
    settings = [group.model_dump(mode="json") for group in parameters]
    return hashlib.sha256(json.dumps([study["fingerprint"], settings], sort_keys=True).encode()).hexdigest()


def seed_training(seed: int) -> None:
    """Make the weights of the next network depend on the seed alone."""
    lightning.seed_everything(seed, verbose=False)


@contextmanager
def untracked() -> Iterator[None]:
    """Within it no training is logged."""
    before = _tracked.set(False)
    try:
        yield
    finally:
        _tracked.reset(before)


def trackers(stage: str) -> list[Logger]:
    """A Lightning logger that joins the MLflow run of this Kedro run, if there is one."""
    run = mlflow.active_run()
    if run is None or not _tracked.get():
        return []
    return [MLFlowLogger(run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri(), prefix=stage)]


def model_card(study: dict[str, Any], trained_on: list[str], needs: str = "", **more: Any) -> dict[str, Any]:
    """What a user of a model must know.

    Args:
        study: What it was trained on.
        trained_on: Who of the training part took part.
        needs: What a subject must have to be trained on, such as :data:`EVERY_CONTRAST`; why the others were left out.
        more: Sizes and metrics.
    """
    return {
        "modalities": study["modalities"],
        "grid": study["grid"],
        "axes": "[modality, z, y, x], RAS+: indices grow to superior, anterior, right",
        "intensity": study["intensity"],
        "training_data": {
            "cohort": study["cohort"],
            "synthetic": study["phantom"],
            "subjects": len(trained_on),
            "needs": needs,
            "left_out": len(set(study["train"]) - set(trained_on)),
            "withheld_scans": sum(study.get("withheld_scans", {}).values()),
            "fingerprint": study["data_fingerprint"],
        },
        "intended_use": "Research on imputing missing MRI contrasts. Not for diagnostic use.",
        "software": f"mrisynth_pipeline {__version__}, torch {torch.__version__}",
        "date": date.today().isoformat(),
        **more,
    }


def parameter_count(network: torch.nn.Module) -> int:
    """Number of weights."""
    return sum(weight.numel() for weight in network.parameters())
