"""Jobs are given as Python text and evaluated: what spawned processes run must be importable there."""

import sys

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging import parallel
from mrisynth_pipeline.imaging.parallel import DIED, run_jobs

DIE = "__import__('os')._exit(3)"


def outcomes(jobs, **options):
    return {position: (result, failure) for position, result, failure in run_jobs(eval, jobs, **options)}


def test_results_come_with_their_positions():
    assert outcomes(["1+1", "2+2", "3+3"], workers=2) == {0: (2, ""), 1: (4, ""), 2: (6, "")}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_fails_its_job_alone(workers):
    found = outcomes(["1+1", "1/0", "3+3"], workers=workers)
    assert found[1] == (None, "ZeroDivisionError: division by zero")
    assert found[0] == (2, "")
    assert found[2] == (6, "")


def test_a_dying_worker_fails_its_job_alone():
    found = outcomes(["1+1", DIE, "2+2", "3+3", "4+4"], workers=2)
    assert found[1] == (None, DIED)
    assert [found[n][0] for n in (0, 2, 3, 4)] == [2, 4, 6, 8]


def test_no_jobs_is_no_work():
    assert outcomes([], workers=4) == {}


def test_workers_are_as_many_as_asked_for():
    processes = {result for result, _ in outcomes(["__import__('os').getpid()"] * 6, workers=2).values()}
    assert 1 <= len(processes) <= 2


def test_a_missing_dask_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"\.\[dask\]"):
        outcomes(["1"], workers=1, scheduler="tcp://nowhere:1")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "_ANSWER_SECONDS", 1)
    with pytest.raises(InputError, match=r"preprocessing.scheduler=tcp://127.0.0.1:9: no scheduler answers"):
        outcomes(["1"], workers=1, scheduler="tcp://127.0.0.1:9")


@pytest.fixture(scope="module")
def cluster():
    """A real cluster: a scheduler and two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    ) as running:
        yield running.scheduler_address
        # Closed in the middle of a worker's restart, a cluster raises: what the tests killed must be back first.
        with distributed.Client(running) as client:
            client.wait_for_workers(2, timeout=60)


def test_a_cluster_gives_the_same_results(cluster):
    found = outcomes(["1+1", "1/0", "3+3"], workers=1, scheduler=cluster)
    assert found == {0: (2, ""), 1: (None, "ZeroDivisionError: division by zero"), 2: (6, "")}


def test_a_worker_killed_in_the_middle_costs_no_job(cluster, tmp_path):
    # The first process that comes to the second job leaves a note and kills itself; the next one does the job.
    note = str(tmp_path / "note")
    kill_once = f"open({note!r}).close() or 'done' if __import__('os').path.exists({note!r}) else "
    kill_once += f"(open({note!r}, 'w').close(), __import__('os').kill(__import__('os').getpid(), 9))"
    found = outcomes(["1+1", kill_once, *(f"{n}+{n}" for n in range(6))], workers=1, scheduler=cluster)
    assert found[1] == ("done", "")
    assert {position: result for position, (result, _) in found.items() if position != 1} == {
        0: 2,
        **{n + 2: 2 * n for n in range(6)},
    }
    assert (tmp_path / "note").exists(), "nobody was killed"


def test_a_job_that_kills_every_worker_fails_alone(cluster):
    found = outcomes(["1+1", DIE, "2+2"], workers=1, scheduler=cluster)
    assert found == {0: (2, ""), 1: (None, DIED), 2: (4, "")}
