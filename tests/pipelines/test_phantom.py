"""Which archive a study is made of."""

import importlib
from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.parameters import CohortParameters, PhantomParameters
from mrisynth_pipeline.pipelines.phantom.nodes import provide_raw_cohort

PHANTOM_FOLDER = Path("data/01_raw/phantom")


@pytest.fixture
def fabricated(monkeypatch) -> list[tuple]:
    """Calls of the fabrication, which does not happen."""
    calls: list[tuple] = []
    cohort = importlib.import_module("mrisynth_pipeline.cohorts.phantom.cohort")
    monkeypatch.setattr(cohort, "fabricate_cohort", lambda *given, workers: calls.append(given))
    return calls


@pytest.mark.parametrize(
    ("layout", "registered", "folder", "aligned"),
    [
        ("brats", "auto", "brats", False),
        ("brats", False, "brats", False),
        ("brats", True, "brats-registered", True),
        ("ixi", "auto", "ixi", False),
    ],
)
def test_the_phantom_is_as_from_the_scanner_unless_asked_otherwise(fabricated, layout, registered, folder, aligned):
    phantom = PhantomParameters(layout=layout)
    cohort = provide_raw_cohort(CohortParameters(registered=registered), phantom, PHANTOM_FOLDER)
    assert fabricated == [(phantom, aligned, PHANTOM_FOLDER / folder)]
    assert (cohort["registered"], cohort["phantom"]) == (aligned, True)
    assert (cohort["name"], cohort["layout"]) == (f"phantom-{layout}", layout)


@pytest.mark.parametrize(
    ("kind", "registered", "modalities"),
    [("brats", True, ["t1", "t1c", "t2", "flair"]), ("ixi", False, ["t1", "t2", "pd"])],
)
def test_an_archive_is_pointed_to_with_what_its_layout_implies(fabricated, kind, registered, modalities):
    cohort = provide_raw_cohort(CohortParameters(kind=kind, raw_dir="/archive"), PhantomParameters(), PHANTOM_FOLDER)
    assert fabricated == []
    assert cohort == {
        "name": kind,
        "layout": kind,
        "raw_dir": "/archive",
        "registered": registered,
        "modalities": modalities,
        "phantom": False,
    }


def test_the_user_may_know_better(fabricated):
    given = CohortParameters(kind="brats", raw_dir="/archive", registered=False, modalities=("t2", "t1"))
    cohort = provide_raw_cohort(given, PhantomParameters(), PHANTOM_FOLDER)
    assert (cohort["registered"], cohort["modalities"]) == (False, ["t2", "t1"])


def test_a_folder_inside_the_project_is_kept_relative(fabricated, tmp_path, monkeypatch):
    # The manifest, and with it the data's fingerprint, is then the same on every machine.
    monkeypatch.chdir(tmp_path)
    inside = CohortParameters(kind="ixi", raw_dir=tmp_path / "data" / "archive")
    assert provide_raw_cohort(inside, PhantomParameters(), PHANTOM_FOLDER)["raw_dir"] == "data/archive"
    phantom = provide_raw_cohort(CohortParameters(), PhantomParameters(), tmp_path / "data" / "phantom")
    assert phantom["raw_dir"] == "data/phantom/brats"
