"""Checks many scans in parallel processes, one volume per process in memory at any time."""

import logging
import math
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.integrity import ScanCheck, ScanTask, check_scan
from mrisynth_pipeline.cohorts.journal import Journal

logger = logging.getLogger(__name__)

_CHUNK = 4
"""Files handed to a process at once: a check takes tenths of a second, so small chunks keep all busy."""

_WORTH_A_PROCESS = 16
"""Files for which another process is started: one takes seconds to start."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def check_scans(tasks: Iterable[ScanTask], workers: int = 1, journal: Path | None = None) -> Iterator[ScanCheck]:
    """Check files in parallel, with a progress bar.

    Memory does not grow with the size of the scans: only file names go to the processes and only summaries
    come back.

    Args:
        tasks: What to check.
        workers: Most processes, each with one thread; 1, or few files, are checked in this process.
        journal: File that keeps every check as it comes in, see ``journal.Journal``; ``None`` keeps nothing.

    Yields:
        One result per task, in the order of the tasks.

    Raises:
        InputError: ``workers`` is below 1, or the operating system killed a process.
    """
    tasks = list(tasks)
    if workers < 1:
        raise InputError("workers", f"{workers} is no number of processes", "Set it to 1 or more")
    kept = Journal(journal) if journal else None
    results = [kept.find(task) for task in tasks] if kept else [None] * len(tasks)
    to_do = [task for task, result in zip(tasks, results, strict=True) if result is None]
    if kept and len(to_do) < len(tasks):
        logger.info("%d of %d files are as they were when they were last checked", len(tasks) - len(to_do), len(tasks))
    fresh = _results(to_do, min(workers, math.ceil(len(to_do) / _WORTH_A_PROCESS)))
    with tqdm(total=len(tasks), desc="Checking scans", unit="scan") as progress:
        for position, task in enumerate(tasks):
            if results[position] is None:
                results[position] = next(fresh)
                if kept:
                    kept.add(task, results[position])
            progress.update()
            yield results[position]
    if kept:
        kept.keep_only(zip(tasks, results, strict=True))


def _results(tasks: list[ScanTask], workers: int) -> Iterator[ScanCheck]:
    """Results in order, from this process or from a pool."""
    if workers <= 1:
        yield from map(_check, tasks)
        return
    context = multiprocessing.get_context("spawn")  # fork is unsafe once torch or OpenMP threads run
    with _one_thread_per_child(), ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(_check, tasks, chunksize=_CHUNK)
        except BrokenProcessPool as error:
            raise InputError(
                "workers",
                "a process died while checking scans, most likely for lack of memory",
                "Use fewer workers",
            ) from error


def _check(task: ScanTask) -> ScanCheck:
    return check_scan(task.path, task.label_values, task.volume)


@contextmanager
def _one_thread_per_child() -> Iterator[None]:
    """Processes started meanwhile get one numerical thread each; libraries read this when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
