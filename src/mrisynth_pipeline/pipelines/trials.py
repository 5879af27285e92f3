"""Trainings repeated over variants and seeds: each done once and kept, so that a killed run goes on where it was."""

import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import torch
from kedro.framework.project import configure_project

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.phantom.files import write_atomically
from mrisynth_pipeline.models.packaging import TrainedModel, load_model, save_model
from mrisynth_pipeline.pipelines.study import parameter_count

logger = logging.getLogger(__name__)

_TRAINED, _JUDGED, _SPENT = "trained.json", "judged.json", "spent.json"

Tables = dict[str, pd.DataFrame]

_parent_run: str | None = None  # in a process of a pool: the MLflow run that its trials belong to


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


Remake = Callable[[], Sequence[Trial]]
"""Makes trials anew; can be pickled, which their functions cannot."""


def run_trials(trials: Sequence[Trial], folder: Path, workers: int = 1, remake: Remake | None = None) -> Tables:
    """Train and judge what has not been yet.

    A trial that fails is reported, and leaves the others standing; what the user must mend ends the run. Within an
    MLflow run every trial has a nested run of its own, also one that was done before: there they can be compared.

    Args:
        trials: In the order in which they are done.
        folder: Where each keeps its model, its tables and a record of either.
        workers: Processes that share the processor's cores, each with one trial at a time; more than one needs
            ``remake``. Small networks make better use of two cores in two processes than in two threads of one.
        remake: Makes the same trials in another process.

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
    elsewhere: dict[Path, BaseException | None] = {}
    if remake is not None and workers > 1:
        elsewhere = _done_elsewhere([trial for trial in trials if trial not in finished], folder, workers, remake)
    for number, trial in enumerate(trials, start=1):
        place = {"variant": trial.variant, "seed": trial.seed, "fold": trial.fold}
        try:
            if trial.place in elsewhere:
                if error := elsewhere[trial.place]:
                    raise error
            else:
                if trial not in finished:
                    logger.info("Trial %d of %d: %s", number, len(trials), trial.place)
                _do_tracked(trial, folder)
            own = _kept(folder / trial.place)
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


def _do_tracked(trial: Trial, folder: Path) -> None:
    """Do a trial if it has not been done, in a run of its own in MLflow."""
    with _tracked(trial):
        if not _is_judged(trial, folder / trial.place):
            _do(trial, folder / trial.place)
        _track(trial, _kept(folder / trial.place))


def _done_elsewhere(
    trials: Sequence[Trial], folder: Path, workers: int, remake: Remake
) -> dict[Path, BaseException | None]:
    """Do trials in processes of their own; place of each → what went wrong, or nothing.

    Where the system ends a process (mostly for its memory), all that its pool had left is done one after the other, so
    that only the trial that is at fault fails.
    """
    outcome = _in_pool(trials, folder, workers, threads_of(workers), remake)
    if left := [trial for trial in trials if isinstance(outcome[trial.place], BrokenProcessPool)]:
        logger.warning("The system ended a process (out of memory?): %d trials go on one at a time", len(left))
        for trial in left:
            outcome |= _in_pool([trial], folder, 1, threads_of(workers), remake)
    return outcome


def _in_pool(
    trials: Sequence[Trial], folder: Path, workers: int, threads: int, remake: Remake
) -> dict[Path, BaseException | None]:
    """Do trials, so many at a time."""
    run = mlflow.active_run()
    tracking = None if run is None else (mlflow.get_tracking_uri(), run.info.experiment_id, run.info.run_id)
    outcome: dict[Path, BaseException | None] = {}
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin_process, initargs=(threads, tracking)
    ) as pool:
        jobs = {pool.submit(_do_in_process, remake, trial.place, folder): trial.place for trial in trials}
        try:
            for job in as_completed(jobs):
                outcome[jobs[job]] = job.exception()
                done = "failed" if job.exception() else "is done"
                logger.info("Trial %d of %d: %s %s", len(outcome), len(jobs), jobs[job], done)
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C, do not work through the rest
    return outcome


def threads_of(workers: int) -> int:
    """Threads of each of so many processes."""
    return max((os.cpu_count() or 1) // workers, 1)


def _begin_process(threads: int, tracking: tuple[str, str, str] | None) -> None:
    """In another process: logging, a user's own methods (which the settings import), threads, and the run to join."""
    global _parent_run
    configure_project("mrisynth_pipeline")
    torch.set_num_threads(threads)
    if tracking is not None:
        uri, experiment, _parent_run = tracking
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(experiment_id=experiment)


def _do_in_process(remake: Remake, place: Path, folder: Path) -> None:
    """In another process: the trial of this place."""
    [trial] = [trial for trial in remake() if trial.place == place]
    _do_tracked(trial, folder)


def _described(failure: Mapping[str, Any]) -> str:
    return f"{failure['variant']}/seed_{failure['seed']}/fold_{failure['fold']}: {failure['error']}"


@contextmanager
def _tracked(trial: Trial) -> Iterator[None]:
    """A nested MLflow run around a trial, where there is a run to nest it in; it fails if the trial does."""
    if mlflow.active_run() is None and _parent_run is None:
        yield
        return
    tags = {"variant": trial.variant, "seed": str(trial.seed), "fold": str(trial.fold)}
    name = f"{trial.variant}, seed {trial.seed}" + (f", fold {trial.fold}" if trial.fold else "")
    if _parent_run is not None:  # of another process: there is no run around this one
        tags["mlflow.parentRunId"] = _parent_run
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


def _write_record(file: Path, record: Mapping[str, Any]) -> None:
    """Write it whole or not at all: half a record would stop every later run."""
    write_atomically(file, json.dumps(record).encode())


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
        shutil.rmtree(
            folder / "model", ignore_errors=True
        )  # of other data or settings: nobody may take it for this one
        with _clock(trial, folder) as spent:
            model = trial.train(folder / "training")
        about = {"parameters": parameter_count(model.network), "seconds": spent()}
        save_model(model, folder / "model")
        _write_record(folder / _TRAINED, {"identity": trial.identity} | about)
        (folder / _SPENT).unlink()
    (folder / _JUDGED).unlink(missing_ok=True)
    about = {name: value for name, value in _record(folder / _TRAINED).items() if name != "identity"}
    tables = trial.judge(model) | {"trials": pd.DataFrame([about])}
    shutil.rmtree(folder / "tables", ignore_errors=True)
    (folder / "tables").mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / "tables" / f"{name}.parquet")
    _write_record(folder / _JUDGED, {"identity": trial.identity, "judgement": trial.judgement})


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
        _write_record(folder / _SPENT, {"identity": trial.identity, "seconds": spent()})


def _kept(folder: Path) -> Tables:
    return {path.stem: pd.read_parquet(path) for path in sorted((folder / "tables").glob("*.parquet"))}
