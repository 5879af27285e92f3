"""Checks many scans in parallel processes, one volume per process in memory at any time."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.integrity import KnownScan, ScanCheck, check_scan

_CHUNK = 4
"""Files handed to a process at once: a check takes tenths of a second, so small chunks keep all busy."""


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
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_use_one_thread) as pool:
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


def _use_one_thread() -> None:
    threadpool_limits(1)
