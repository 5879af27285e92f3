"""Checks many scans in parallel processes, one volume per process in memory at any time."""

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.integrity import KnownScan, ScanCheck, check_scan

_CHUNK = 4
"""Files handed to a process at once: a check takes tenths of a second, so small chunks keep all busy."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class ScanTask:
    """One call of ``check_scan``; small enough that thousands may wait in a queue."""

    path: Path
    label_values: frozenset[int] | None = None
    known: KnownScan | None = None


def check_scans(tasks: Iterable[ScanTask], workers: int = 1) -> Iterator[ScanCheck]:
    """Check files in parallel, with a progress bar.

    Memory does not grow with the number of scans: only file names go to the processes and only summaries
    come back.

    Args:
        tasks: What to check.
        workers: Number of processes, each with one thread; 1 checks in this process.

    Yields:
        One result per task, in the order of the tasks.

    Raises:
        InputError: ``workers`` is below 1, or the operating system killed a process.
    """
    tasks = list(tasks)
    if workers < 1:
        raise InputError("workers", f"{workers} is no number of processes", "Set it to 1 or more")
    with tqdm(total=len(tasks), desc="Checking scans", unit="scan") as progress:
        for result in _results(tasks, min(workers, len(tasks))):
            progress.update()
            yield result


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
    return check_scan(task.path, task.label_values, task.known)


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
