"""Many independent jobs over processes, where one that dies takes nothing else with it."""

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from mrisynth_pipeline.cohorts.errors import InputError

logger = logging.getLogger(__name__)

# Forked children inherit ITK's and torch's thread locks as they happen to be, and hang. Spawned ones do not.
_CONTEXT = multiprocessing.get_context("spawn")

_ANSWER_SECONDS = 30

DIED = "its worker process died twice (most often: not enough memory; use fewer workers)"


def run_jobs(
    function: Callable[[Any], Any], arguments: Sequence[Any], workers: int, scheduler: str | None = None
) -> Iterator[tuple[int, Any, str]]:
    """Apply a function to every argument, in parallel.

    At most ``workers`` arguments are under way at a time. When a process dies (killed for memory, crashed in
    native code), Python's pool cannot tell which job it was: all under way are tried once more, each in a
    process of its own, and the culprit fails alone.

    Args:
        function: Importable from a module (it crosses process borders); should catch its own exceptions.
        arguments: One per job; picklable.
        workers: Number of processes; 1 runs everything in this one.
        scheduler: Address of a ``dask.distributed`` scheduler to use instead of local processes.

    Yields:
        (position in ``arguments``, result, "") or (position, None, why it failed), in order of completion.
    """
    if scheduler is not None:
        yield from _on_dask(function, arguments, scheduler)
    elif workers == 1 or len(arguments) <= 1:
        for position, argument in enumerate(arguments):
            yield _outcome(position, lambda argument=argument: function(argument))
    else:
        yield from _on_processes(function, arguments, min(workers, len(arguments)))


def _outcome(position: int, call: Callable[[], Any]) -> tuple[int, Any, str]:
    """A job's result, or its exception in words."""
    try:
        return position, call(), ""
    except Exception as error:
        return position, None, f"{type(error).__name__}: {error}"


def _on_processes(
    function: Callable[[Any], Any], arguments: Sequence[Any], workers: int
) -> Iterator[tuple[int, Any, str]]:
    """Local processes; see :func:`run_jobs`."""
    waiting = iter(range(len(arguments)))
    pool = ProcessPoolExecutor(workers, mp_context=_CONTEXT)
    running: dict[Future, int] = {}
    try:
        while True:
            suspects = _submit(pool, function, arguments, waiting, running, workers)
            if not running and not suspects:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED) if running else ((), ())
            for future in finished:
                position = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(position)
                else:
                    yield _outcome(position, future.result)
            if suspects:
                for future in list(running):  # a broken pool settles all its futures at once
                    position = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        suspects.append(position)
                    else:
                        yield _outcome(position, future.result)
                pool.shutdown(wait=True)
                for position in suspects:
                    yield _alone(function, arguments, position)
                pool = ProcessPoolExecutor(workers, mp_context=_CONTEXT)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor,
    function: Callable[[Any], Any],
    arguments: Sequence[Any],
    waiting: Iterator[int],
    running: dict[Future, int],
    workers: int,
) -> list[int]:
    """Top the pool up to ``workers`` jobs; returns jobs that a pool found broken refused."""
    while len(running) < workers:
        position = next(waiting, None)
        if position is None:
            break
        try:
            running[pool.submit(function, arguments[position])] = position
        except BrokenProcessPool:
            return [position]
    return []


def _alone(function: Callable[[Any], Any], arguments: Sequence[Any], position: int) -> tuple[int, Any, str]:
    """Second try of a job that may have killed its process, in a process of its own."""
    logger.warning("A worker process died; job %d is tried again on its own", position)
    with ProcessPoolExecutor(1, mp_context=_CONTEXT) as pool:
        future = pool.submit(function, arguments[position])
        if isinstance(future.exception(), BrokenProcessPool):
            return position, None, DIED
        return _outcome(position, future.result)


def _on_dask(
    function: Callable[[Any], Any], arguments: Sequence[Any], scheduler: str
) -> Iterator[tuple[int, Any, str]]:
    """A ``dask.distributed`` cluster, which itself gives jobs of dead workers to others.

    It gives up a job after four dead workers. Such jobs are tried once more, one by one, so that the culprit fails
    alone: the others were merely queued where it went from worker to worker.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        remedy = 'pip install -e ".[dask]", or leave preprocessing.scheduler empty to use local processes'
        raise InputError("preprocessing.scheduler", "dask.distributed is not installed", remedy) from error
    try:
        client = Client(scheduler, timeout=_ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        remedy = "Start one with `dask scheduler` and workers with `dask worker ADDRESS`, or leave it empty"
        raise InputError(f"preprocessing.scheduler={scheduler}", f"no scheduler answers ({error})", remedy) from error
    with client:
        if not client.scheduler_info()["workers"]:
            logger.warning("The Dask scheduler %s has no workers yet: waiting for some", scheduler)
        futures = client.map(function, arguments, pure=False)
        position_of = {future.key: position for position, future in enumerate(futures)}
        suspects = []
        for future in as_completed(futures):
            if isinstance(future.exception(), KilledWorker):
                suspects.append(
                    position_of[future.key]
                )  # or it was queued where another one killed worker after worker
            else:
                yield _outcome(position_of[future.key], future.result)
            future.release()  # rows are small, but a cluster outlives this run
        for position in suspects:
            future = client.submit(function, arguments[position], pure=False)
            if isinstance(future.exception(), KilledWorker):
                yield position, None, DIED
            else:
                yield _outcome(position, future.result)
