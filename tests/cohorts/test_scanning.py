"""The process pool around the check: order, threads, and processes that die."""

import os
from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.scanning import ScanTask, check_scans

ENOUGH = 17  # files for a second process


class DeadlyPath:
    """Ends the process that unpickles it, as the operating system does when memory runs out."""

    def __reduce__(self):
        return os._exit, (1,)


class ThreadCountAsPath:
    """Becomes, in the process that unpickles it, a path named after the number of threads allowed there."""

    def __reduce__(self):
        return eval, ("__import__('pathlib').Path(__import__('os').environ['OMP_NUM_THREADS'])",)


def test_a_process_that_dies_is_reported_with_the_remedy():
    with pytest.raises(InputError, match=r"workers: a process died .* lack of memory\. Use fewer workers"):
        list(check_scans([ScanTask(DeadlyPath())] * ENOUGH, workers=2))


def test_each_process_has_one_thread_and_this_one_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    results = list(check_scans([ScanTask(ThreadCountAsPath())] * ENOUGH, workers=2))
    assert [result.problems[0].split(":")[0] for result in results] == ["1"] * ENOUGH
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "MKL_NUM_THREADS" not in os.environ


def test_for_few_files_no_process_is_started(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    tasks = [ScanTask(Path(f"{number}.nii.gz")) for number in range(ENOUGH - 1)]
    monkeypatch.setattr(
        "mrisynth_pipeline.cohorts.scanning.ProcessPoolExecutor", lambda *_, **__: pytest.fail("started")
    )
    assert len(list(check_scans(tasks, workers=2))) == ENOUGH - 1


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers):
    tasks = [ScanTask(Path(f"{number}.nii.gz")) for number in range(2 * ENOUGH)]
    names = [result.problems[0].split(":")[0] for result in check_scans(tasks, workers)]
    assert names == [task.path.name for task in tasks]
