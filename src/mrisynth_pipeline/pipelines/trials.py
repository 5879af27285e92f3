"""Trainings repeated over variants and seeds: each done once and kept, so that a killed run goes on where it was."""

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.packaging import TrainedModel, load_model, save_model
from mrisynth_pipeline.pipelines.study import parameter_count

logger = logging.getLogger(__name__)

_TRAINED, _JUDGED, _SPENT = "trained.json", "judged.json", "spent.json"

Tables = dict[str, pd.DataFrame]


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
    judge: Callable[[TrainedModel], Tables]
    """Tables of what the trained model is worth."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its options by name, for MLflow."""
    metrics: Callable[[Tables], dict[str, float]] = lambda tables: {}
    """What its tables come to, for MLflow."""

    @property
    def place(self) -> Path:
        """Folder of the trial, relative to that of all."""
        return Path(self.variant, f"seed_{self.seed}", f"fold_{self.fold}")


def run_trials(trials: Sequence[Trial], folder: Path) -> Tables:
    """Train and judge what has not been yet.

    A trial that fails is reported, and leaves the others standing; what the user must mend ends the run. Within an
    MLflow run every trial has a nested run of its own, also one that was done before: there they can be compared.

    Args:
        trials: In the order in which they are done.
        folder: Where each keeps its model, its tables and a record of either.

    Returns:
        Every table of the judges, of all trials one below the other, with ``variant``, ``seed`` and ``fold``; and the
        table ``trials``: ``parameters`` and ``seconds`` of each training. Where trials failed, the table ``failures``
        with ``error``.

    Raises:
        InputError: A trial came upon something that the user must mend.
        RuntimeError: If every trial fails.
    """
    finished = unfinished(trials, folder, done=True)
    logger.info("%d of %d trials have been done before", len(finished), len(trials))
    tables: dict[str, list[pd.DataFrame]] = {}
    failures = []
    for number, trial in enumerate(trials, start=1):
        place = {"variant": trial.variant, "seed": trial.seed, "fold": trial.fold}
        try:
            with _tracked(trial):
                if trial not in finished:
                    logger.info("Trial %d of %d: %s", number, len(trials), trial.place)
                    _do(trial, folder / trial.place)
                own = _kept(folder / trial.place)
                _track(trial, own)
            for name, table in own.items():
                tables.setdefault(name, []).append(table.assign(**place))
        except InputError:
            raise
        except Exception as error:
            logger.exception("The trial %s failed: it is left out", trial.place)
            failures.append(place | {"error": str(error) or type(error).__name__})
    if not tables:
        raise RuntimeError("every trial failed: " + "; ".join(_described(failure) for failure in failures[:3]))
    if failures:
        tables["failures"] = [pd.DataFrame(failures)]
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def unfinished(trials: Sequence[Trial], folder: Path, done: bool = False) -> list[Trial]:
    """The trials that are still to be trained or judged; with ``done`` those that are not."""
    return [trial for trial in trials if _is_judged(trial, folder / trial.place) == done]


def trained_model(trial: Trial, folder: Path) -> TrainedModel | None:
    """What a trial has trained, if it has."""
    return load_model(folder / trial.place / "model") if is_trained(trial, folder) else None


def _described(failure: Mapping[str, Any]) -> str:
    return f"{failure['variant']}/seed_{failure['seed']}/fold_{failure['fold']}: {failure['error']}"


@contextmanager
def _tracked(trial: Trial) -> Iterator[None]:
    """A nested MLflow run around a trial, where there is a run to nest it in; it fails if the trial does."""
    if mlflow.active_run() is None:
        yield
        return
    tags = {"variant": trial.variant, "seed": str(trial.seed), "fold": str(trial.fold)}
    name = f"{trial.variant}, seed {trial.seed}" + (f", fold {trial.fold}" if trial.fold else "")
    with mlflow.start_run(run_name=name, nested=True, tags=tags):
        mlflow.log_params({name: str(value)[:500] for name, value in trial.settings.items()})
        yield


def _track(trial: Trial, tables: Tables) -> None:
    """Log what a finished trial comes to."""
    if mlflow.active_run() is None:
        return
    about = tables["trials"].iloc[0]
    metrics = {"training_seconds": about["seconds"], "parameters": about["parameters"]} | trial.metrics(tables)
    mlflow.log_metrics({name: float(value) for name, value in metrics.items() if math.isfinite(value)})


def _record(file: Path) -> dict[str, Any]:
    """What was written when a model or its tables were complete; empty if they are not."""
    return json.loads(file.read_text()) if file.is_file() else {}


def is_trained(trial: Trial, folder: Path) -> bool:
    """Whether a trial's model is there; ``folder`` is that of all trials."""
    return _has_trained(trial, folder / trial.place)


def _has_trained(trial: Trial, folder: Path) -> bool:
    return _record(folder / _TRAINED).get("identity") == trial.identity


def _is_judged(trial: Trial, folder: Path) -> bool:
    return _has_trained(trial, folder) and _record(folder / _JUDGED) == {
        "identity": trial.identity,
        "judgement": trial.judgement,
    }


def _do(trial: Trial, folder: Path) -> None:
    """Train, judge, keep; the records come last, so that a trial killed on the way goes on there."""
    if _has_trained(trial, folder):
        model = load_model(folder / "model")
    else:
        (folder / _TRAINED).unlink(missing_ok=True)
        with _clock(trial, folder) as spent:
            model = trial.train(folder / "training")
        about = {"parameters": parameter_count(model.network), "seconds": spent()}
        save_model(model, folder / "model")
        (folder / _TRAINED).write_text(json.dumps({"identity": trial.identity} | about))
        (folder / _SPENT).unlink()
    (folder / _JUDGED).unlink(missing_ok=True)
    about = {name: value for name, value in _record(folder / _TRAINED).items() if name != "identity"}
    tables = trial.judge(model) | {"trials": pd.DataFrame([about])}
    shutil.rmtree(folder / "tables", ignore_errors=True)
    (folder / "tables").mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / "tables" / f"{name}.parquet")
    (folder / _JUDGED).write_text(json.dumps({"identity": trial.identity, "judgement": trial.judgement}))


@contextmanager
def _clock(trial: Trial, folder: Path) -> Iterator[Callable[[], float]]:
    """Seconds of a training, those of earlier runs that were stopped in it included."""
    record = _record(folder / _SPENT)
    before = record.get("seconds", 0.0) if record.get("identity") == trial.identity else 0.0
    start = time.perf_counter()

    def spent() -> float:
        return before + time.perf_counter() - start

    try:
        yield spent
    finally:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _SPENT).write_text(json.dumps({"identity": trial.identity, "seconds": spent()}))


def _kept(folder: Path) -> Tables:
    return {path.stem: pd.read_parquet(path) for path in sorted((folder / "tables").glob("*.parquet"))}
