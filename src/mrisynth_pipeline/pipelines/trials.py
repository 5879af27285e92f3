"""Trainings repeated over variants and seeds: each done once and kept, so that a killed run goes on where it was."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.packaging import TrainedModel, load_model, save_model
from mrisynth_pipeline.pipelines.study import parameter_count

logger = logging.getLogger(__name__)

_TRAINED, _JUDGED = "trained.json", "judged.json"


@dataclass(frozen=True)
class Trial:
    """One training of one variant."""

    variant: str
    """Name in tables, as a method's."""
    seed: int
    """Seed of weights, batches and availability."""
    fold: int
    """Which part of the subjects is tested on; 0 where there are no folds."""
    identity: str
    """Fingerprint of data and settings: only a model with the same one is taken over."""
    judgement: str
    """Fingerprint of how it is judged: tables of another one are made again, the model is not."""
    train: Callable[[Path], TrainedModel]
    """Train in a folder (from its checkpoint, if a run was killed there)."""
    judge: Callable[[TrainedModel], dict[str, pd.DataFrame]]
    """Tables of what the trained model is worth."""

    @property
    def place(self) -> Path:
        """Folder of the trial, relative to that of all."""
        return Path(self.variant, f"seed_{self.seed}", f"fold_{self.fold}")


def run_trials(trials: Sequence[Trial], folder: Path) -> dict[str, pd.DataFrame]:
    """Train and judge what has not been yet.

    A trial that fails is reported, and leaves the others standing; what the user must mend ends the run.

    Args:
        trials: In the order in which they are done.
        folder: Where each keeps its model, its tables and a record of either.

    Returns:
        Every table of the judges, of all trials one below the other, with ``variant``, ``seed`` and ``fold``; and the
        table ``trials``: ``parameters`` and ``seconds`` of each training.

    Raises:
        InputError: A trial came upon something that the user must mend.
        RuntimeError: If every trial fails.
    """
    finished = [trial for trial in trials if _is_judged(trial, folder / trial.place)]
    logger.info("%d of %d trials have been done before", len(finished), len(trials))
    tables: dict[str, list[pd.DataFrame]] = {}
    failures = []
    for number, trial in enumerate(trials, start=1):
        try:
            if trial not in finished:
                logger.info("Trial %d of %d: %s", number, len(trials), trial.place)
                _do(trial, folder / trial.place)
            for name, table in _kept(folder / trial.place).items():
                tables.setdefault(name, []).append(
                    table.assign(variant=trial.variant, seed=trial.seed, fold=trial.fold)
                )
        except InputError:
            raise
        except Exception as error:
            logger.exception("The trial %s failed: it is left out", trial.place)
            failures.append(f"{trial.place}: {error}")
    if not tables:
        raise RuntimeError("every trial failed: " + "; ".join(failures[:3]))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def _record(file: Path) -> dict[str, Any]:
    """What was written when a model or its tables were complete; empty if they are not."""
    return json.loads(file.read_text()) if file.is_file() else {}


def _is_trained(trial: Trial, folder: Path) -> bool:
    return _record(folder / _TRAINED).get("identity") == trial.identity


def _is_judged(trial: Trial, folder: Path) -> bool:
    return _is_trained(trial, folder) and _record(folder / _JUDGED) == {
        "identity": trial.identity,
        "judgement": trial.judgement,
    }


def _do(trial: Trial, folder: Path) -> None:
    """Train, judge, keep; the records come last, so that a trial killed on the way goes on there."""
    if _is_trained(trial, folder):
        model = load_model(folder / "model")
    else:
        (folder / _TRAINED).unlink(missing_ok=True)
        start = time.perf_counter()
        model = trial.train(folder / "training")
        about = {"parameters": parameter_count(model.network), "seconds": time.perf_counter() - start}
        save_model(model, folder / "model")
        (folder / _TRAINED).write_text(json.dumps({"identity": trial.identity} | about))
    (folder / _JUDGED).unlink(missing_ok=True)
    about = {name: value for name, value in _record(folder / _TRAINED).items() if name != "identity"}
    tables = trial.judge(model) | {"trials": pd.DataFrame([about])}
    shutil.rmtree(folder / "tables", ignore_errors=True)
    (folder / "tables").mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / "tables" / f"{name}.parquet")
    (folder / _JUDGED).write_text(json.dumps({"identity": trial.identity, "judgement": trial.judgement}))


def _kept(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in sorted((folder / "tables").glob("*.parquet"))}
