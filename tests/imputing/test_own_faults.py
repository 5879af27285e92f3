"""Own scans that cannot be used, each made here: the message is the one that docs/faults.md promises."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imputing.own_scans import OwnScans, find_own_scans

SECTION = "Own scans that cannot be used"
MODALITIES = ("t1", "t1c", "t2", "flair")
FAULTS: dict[str, Callable[[Path, Callable], OwnScans]] = {}
"""What is wrong (a row of docs/faults.md) → how to make it and hand it in."""


def fault(name: str) -> Callable:
    """Enter a function that makes a fault in a folder."""

    def enter(function: Callable[[Path, Callable], OwnScans]) -> Callable[[Path, Callable], OwnScans]:
        FAULTS[name] = function
        return function

    return enter


@fault("no contrast that the model knows")
def _(folder, put):
    put(folder / "P1" / "PD.nii.gz")
    return OwnScans(folder)


@fault("a name that says no contrast")
def _(folder, put):
    put(folder / "P1" / "scan.nii.gz")
    return OwnScans(folder)


@fault("a name that says two")
def _(folder, put):
    put(folder / "P1" / "t1_t2.nii.gz")
    return OwnScans(folder)


@fault("two files for one contrast")
def _(folder, put):
    put(folder / "P1" / "t1.nii.gz")
    put(folder / "P1" / "t1_mprage.nii.gz")
    return OwnScans(folder)


@fault("4-D file")
def _(folder, put):
    put(folder / "P1" / "t1.nii.gz", np.random.default_rng(0).random((20, 20, 20, 2), np.float32))
    return OwnScans(folder)


@fault("corrupt file")
def _(folder, put):
    path = put(folder / "P1" / "t1.nii.gz")
    path.write_bytes(path.read_bytes()[:3000])
    return OwnScans(folder)


@fault("NaN voxels")
def _(folder, put):
    voxels = np.random.default_rng(0).random((20, 20, 20), np.float32)
    voxels[3, 4, :5] = np.nan
    put(folder / "P1" / "t1.nii.gz", voxels)
    return OwnScans(folder)


@fault("a single file whose name says no contrast")
def _(folder, put):
    return OwnScans(put(folder / "scan.nii.gz"))


@fault("missing file")
def _(folder, put):
    return OwnScans(files={"t1": folder / "t1.nii.gz"})


@fault("missing folder")
def _(folder, put):
    return OwnScans(folder / "study")


@fault("a file of another format")
def _(folder, put):
    (folder / "t1.mha").write_bytes(b"ObjectType = Image")
    return OwnScans(folder / "t1.mha")


@fault("DICOM folder")
def _(folder, put):
    (folder / "IM0001").write_bytes(bytes(128) + b"DICM")
    return OwnScans(folder)


@fault("DICOM file")
def _(folder, put):
    (folder / "t1.dcm").write_bytes(bytes(128) + b"DICM")
    return OwnScans(files={"t1": folder / "t1.dcm"})


@fault("folder of nothing")
def _(folder, put):
    return OwnScans(folder)


@fault("packed folder")
def _(folder, put):
    (folder / "study.zip").write_bytes(b"PK")
    return OwnScans(folder)


@fault("results instead of scans")
def _(folder, put):
    put(folder / "sub-01" / "sub-01_desc-synth_T2w.nii.gz")
    return OwnScans(folder)


@fault("a pattern for an unknown contrast")
def _(folder, put):
    put(folder / "P1" / "scan.nii.gz")
    return OwnScans(folder, names="*scan*=t3")


@fault("a pattern that matches nothing")
def _(folder, put):
    put(folder / "P1" / "scan.nii.gz")
    return OwnScans(folder, names="*mp2rage*=t1")


@fault("a pattern that matches two files of a subject")
def _(folder, put):
    put(folder / "P1" / "scan_1.nii.gz")
    put(folder / "P1" / "scan_2.nii.gz")
    return OwnScans(folder, names="*scan*=t1")


@fault("a file of patterns that is none")
def _(folder, put):
    (folder / "names.yml").write_text("- t1\n")
    return OwnScans(folder, names=str(folder / "names.yml"))


@fault("one name for several subjects")
def _(folder, put):
    put(folder / "P1" / "t1.nii.gz")
    put(folder / "P2" / "t1.nii.gz")
    return OwnScans(folder, subject="P")


def message(given: Callable[[], OwnScans]) -> str:
    """What a user sees: the run's error, or why the one subject cannot be used."""
    try:
        (own,) = find_own_scans(given(), MODALITIES)
    except InputError as error:
        return str(error)
    (problem,) = own.problems
    return problem


def promised(project: Path) -> dict[str, str]:
    """Fault → message, as docs/faults.md says."""
    section = (project / "docs/faults.md").read_text().partition(f"\n## {SECTION}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+?) \| `` (.+?) `` \|$", section, flags=re.MULTILINE))


def test_the_page_lists_the_faults_tried_here_and_no_others(project):
    assert list(promised(project)) == list(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_the_message_that_the_page_promises(name, project, tmp_path, put):
    folder = tmp_path / "study"
    folder.mkdir()
    seen = message(lambda: FAULTS[name](folder, put)).replace(str(tmp_path), "/data")
    assert "\n" not in seen
    assert seen == promised(project)[name]
