"""What nodes of several pipelines ask of a study."""

import hashlib
import json
import logging
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


def complete_subjects(study: dict[str, Any], part: str) -> list[str]:
    """Subjects of a part (train, validation, test) that have every contrast; says how many were left out.

    Raises:
        InputError: If nobody is left of the training or test part.
    """
    members = study[part]
    chosen = [subject for subject in members if subject in set(study["complete"])]
    if len(chosen) < len(members):
        logger.warning("%d of %d %s subjects lack a contrast: left out", len(members) - len(chosen), len(members), part)
    if not chosen and part != "validation":
        raise InputError(
            f"{part} part of {study['cohort']}",
            f"none of its {len(members)} subjects has all of {', '.join(study['modalities'])}",
            "Add subjects, or set cohort.modalities to the contrasts they have",
        )
    return chosen


def training_identity(study: dict[str, Any], *parameters: BaseModel) -> str:
    """Fingerprint of what a training depends on: only a run with the same one may resume it."""
    settings = [group.model_dump(mode="json") for group in parameters]
    return hashlib.sha256(json.dumps([study["fingerprint"], settings], sort_keys=True).encode()).hexdigest()


def seed_training(seed: int) -> None:
    """Make the weights of the next network depend on the seed alone."""
    lightning.seed_everything(seed, verbose=False)


def trackers(stage: str) -> list[Logger]:
    """A Lightning logger that joins the MLflow run of this Kedro run, if there is one."""
    run = mlflow.active_run()
    if run is None:
        return []
    return [MLFlowLogger(run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri(), prefix=stage)]


def model_card(study: dict[str, Any], trained_on: list[str], **more: Any) -> dict[str, Any]:
    """What a user of a model must know; ``more`` adds sizes and metrics."""
    return {
        "modalities": study["modalities"],
        "grid": study["grid"],
        "axes": "[modality, z, y, x], RAS+: indices grow to superior, anterior, right",
        "intensity": study["intensity"],
        "training_data": {
            "cohort": study["cohort"],
            "synthetic": study["phantom"],
            "subjects": len(trained_on),
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


def usable_device(wish: str) -> torch.device:
    """The device named, or for ``auto`` a GPU where there is one."""
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wish)
