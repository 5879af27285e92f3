"""Jobs are given as Python text and evaluated: what spawned processes run must be importable there."""

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
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


def test_a_missing_dask_is_named():
    try:
        import distributed  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match="pip install distributed"):
            outcomes(["1"], workers=1, scheduler="tcp://nowhere:1")
    else:
        pytest.skip("distributed is installed here")
