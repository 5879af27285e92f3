"""Trainings repeated over variants and seeds: each done once and kept, so that a killed run goes on where it was."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mrisynth_pipeline.models.packaging import TrainedModel, save_model

logger = logging.getLogger(__name__)

_RECORD = "trial.json"


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
    """Fingerprint of data, settings and how it is judged: only what has the same one is taken over."""
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

    A trial that fails is reported, and leaves the others standing.

    Args:
        trials: In the order in which they are done.
        folder: Where each keeps its model, its tables and a record of how long it took.

    Returns:
        Every table of the judges, of all trials one below the other, with ``variant``, ``seed`` and ``fold``; and the
        table ``trials``: ``parameters`` and ``seconds`` of each training.

    Raises:
        RuntimeError: If every trial fails.
    """
    finished = [trial for trial in trials if _is_finished(trial, folder)]
    logger.info("%d of %d trials have been done before", len(finished), len(trials))
    tables: dict[str, list[pd.DataFrame]] = {}
    failures = []
    for number, trial in enumerate(trials, start=1):
        try:
            if trial not in finished:
                logger.info("Trial %d of %d: %s, seed %d", number, len(trials), trial.variant, trial.seed)
                _do(trial, folder / trial.place)
            for name, table in _kept(folder / trial.place).items():
                tables.setdefault(name, []).append(
                    table.assign(variant=trial.variant, seed=trial.seed, fold=trial.fold)
                )
        except Exception as error:
            logger.exception("The trial %s failed: it is left out", trial.place)
            failures.append(f"{trial.place}: {error}")
    if not tables:
        raise RuntimeError("every trial failed: " + "; ".join(failures[:3]))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def _is_finished(trial: Trial, folder: Path) -> bool:
    record = folder / trial.place / _RECORD
    return record.is_file() and json.loads(record.read_text())["identity"] == trial.identity


def _do(trial: Trial, folder: Path) -> None:
    """Train, judge, keep; the record comes last, so that a killed trial is none."""
    (folder / _RECORD).unlink(missing_ok=True)
    start = time.perf_counter()
    model = trial.train(folder / "training")
    seconds = time.perf_counter() - start
    save_model(model, folder / "model")
    tables = trial.judge(model)
    parameters = sum(weight.numel() for weight in model.network.parameters())
    tables["trials"] = pd.DataFrame([{"parameters": parameters, "seconds": seconds}])
    shutil.rmtree(folder / "tables", ignore_errors=True)
    (folder / "tables").mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / "tables" / f"{name}.parquet")
    (folder / _RECORD).write_text(json.dumps({"identity": trial.identity}))


def _kept(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in sorted((folder / "tables").glob("*.parquet"))}
