"""Which archive a study is made of."""

import importlib
import tarfile
from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.archives import obtaining
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import CohortParameters, PhantomParameters
from mrisynth_pipeline.pipelines.ingestion.nodes import provide_raw_cohort
from mrisynth_pipeline.pipelines.phantom.nodes import provide_phantom

NAMES = {"brats": "BraTS-GLI-00005-000-t1n.nii.gz", "ixi": "IXI002-Guys-0828-T1.nii.gz"}


def archive(folder: Path, kind: str) -> Path:
    """A folder with one scan of a layout in it; nobody opens it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAMES[kind]).touch()
    return folder


def provide(cohort: CohortParameters, folder: Path, phantom: PhantomParameters | None = None) -> dict:
    """The phantom pipeline, then ingestion's first step."""
    made = provide_phantom(cohort, phantom or PhantomParameters(), folder / "phantom")
    return provide_raw_cohort(cohort, made, folder / "archives")


@pytest.fixture
def fabricated(monkeypatch) -> list[tuple]:
    """Calls of the fabrication, which makes one empty file instead."""
    calls: list[tuple] = []

    def fabricate(phantom, registered, raw_dir, workers):
        calls.append((phantom, registered, raw_dir))
        archive(raw_dir, phantom.layout)

    cohort = importlib.import_module("mrisynth_pipeline.cohorts.phantom.cohort")
    monkeypatch.setattr(cohort, "fabricate_cohort", fabricate)
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
def test_the_phantom_is_as_from_the_scanner_unless_asked_otherwise(
    fabricated, tmp_path, layout, registered, folder, aligned
):
    phantom = PhantomParameters(layout=layout)
    cohort = provide(CohortParameters(registered=registered), tmp_path, phantom)
    assert fabricated == [(phantom, aligned, tmp_path / "phantom" / folder)]
    assert (cohort["registered"], cohort["phantom"]) == (aligned, True)
    assert (cohort["name"], cohort["layout"]) == (f"phantom-{layout}", layout)


@pytest.mark.parametrize(("kind", "modalities"), [("brats", ["t1", "t1c", "t2", "flair"]), ("ixi", ["t1", "t2", "pd"])])
def test_an_archive_is_pointed_to_with_what_its_layout_implies(fabricated, tmp_path, kind, modalities):
    raw_dir = archive(tmp_path / "raw", kind)
    given = CohortParameters(kind=kind, raw_dir=raw_dir)
    cohort = provide(given, tmp_path)
    assert fabricated == []
    assert cohort == {
        "name": kind,
        "layout": kind,
        "raw_dir": str(raw_dir),
        "registered": None,  # as the layout says, of which a mixed folder has several
        "modalities": modalities,
        "phantom": False,
    }
    assert not (tmp_path / "archives").exists(), "nothing was unpacked"


def test_the_user_may_know_better(fabricated, tmp_path):
    given = CohortParameters(
        kind="brats", raw_dir=archive(tmp_path, "brats"), registered=False, modalities=("t2", "t1")
    )
    cohort = provide(given, tmp_path)
    assert (cohort["registered"], cohort["modalities"]) == (False, ["t2", "t1"])


def test_a_folder_inside_the_project_is_kept_relative(fabricated, tmp_path, monkeypatch):
    # The manifest, and with it the data's fingerprint, is then the same on every machine.
    monkeypatch.chdir(tmp_path)
    inside = CohortParameters(kind="ixi", raw_dir=archive(tmp_path / "data" / "archive", "ixi"))
    assert provide(inside, tmp_path / "data")["raw_dir"] == "data/archive"
    assert provide(CohortParameters(), tmp_path / "data")["raw_dir"] == "data/phantom/brats"


def test_packed_archives_are_unpacked_beside_and_that_folder_is_read(tmp_path):
    raw_dir = tmp_path / "raw"
    raw_dir.mkdir()
    with tarfile.open(raw_dir / "IXI-T1.tar", "w") as file:
        file.add(archive(tmp_path / "loose", "ixi") / NAMES["ixi"], NAMES["ixi"])
    given = CohortParameters(kind="ixi", raw_dir=raw_dir)
    cohort = provide(given, tmp_path)
    read = Path(cohort["raw_dir"])
    assert read.parent == tmp_path / "archives"
    assert (read / "IXI-T1" / NAMES["ixi"]).is_file()
    assert sorted(path.name for path in raw_dir.iterdir()) == ["IXI-T1.tar"], "the archive itself is left alone"


def test_two_folders_of_packed_archives_are_not_mixed(tmp_path):
    read = set()
    for folder in (tmp_path / "a" / "raw", tmp_path / "b" / "raw"):
        folder.mkdir(parents=True)
        with tarfile.open(folder / "IXI-T1.tar", "w") as file:
            file.add(archive(tmp_path / "loose", "ixi") / NAMES["ixi"], NAMES["ixi"])
        read.add(obtaining.obtain(CohortParameters(kind="ixi", raw_dir=folder), tmp_path / "archives"))
    assert len(read) == 2


@pytest.mark.parametrize("raw_dir", [None, "chosen"])
def test_what_is_downloaded_is_unpacked_where_it_lies(tmp_path, monkeypatch, raw_dir):
    def download(folder, modalities):
        assert modalities == ("t1", "t2")
        folder.mkdir(parents=True)
        with tarfile.open(folder / "IXI-T1.tar", "w") as file:
            file.add(archive(tmp_path / "loose", "ixi") / NAMES["ixi"], NAMES["ixi"])
        return [folder / "IXI-T1.tar"]

    monkeypatch.setattr(obtaining, "download_ixi", download)
    raw_dir = raw_dir and tmp_path / raw_dir
    given = CohortParameters(kind="ixi", download=True, raw_dir=raw_dir, modalities=("t1", "t2"))
    layout, folder = obtaining.obtain(given, tmp_path / "archives")
    assert (layout, folder) == ("ixi", raw_dir or tmp_path / "archives" / "ixi")
    assert (folder / "IXI-T1" / NAMES["ixi"]).is_file()


def test_ingestion_alone_needs_the_phantom_to_be_there(tmp_path):
    with pytest.raises(InputError, match=r"there is no phantom yet.*--pipelines phantom,ingestion"):
        provide_raw_cohort(CohortParameters(), {}, tmp_path / "archives")
