"""Files without a layout go through the checks of an archive."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile
from mrisynth_pipeline.cohorts.checking import check_files, registered_subjects


@pytest.fixture
def file_of(write_scan):
    """Write a scan somewhere and describe it."""

    def make(path: Path, subject: str, modality: str, layout: str = "", **options) -> ScanFile:
        return ScanFile(subject, subject, "", "", modality, write_scan(path, **options), layout=layout)

    return make


def test_checks_come_sorted_with_what_neighbours_add(tmp_path, file_of):
    files = [file_of(tmp_path / "x" / "b.nii.gz", "P2", "t1"), file_of(tmp_path / "y" / "a.nii.gz", "P1", "t2")]
    shutil.copyfile(files[0].path, files[1].path)
    first, second = check_files(files, tmp_path)
    assert (first.file.subject, second.file.subject) == ("P1", "P2")
    assert "same content as x/b.nii.gz of another subject" in first.problems[0]
    assert "same content as y/a.nii.gz of another subject" in second.problems[0]


def test_files_without_a_layout_tell_themselves_whether_they_are_registered(tmp_path, file_of):
    shifted = np.diag([-1.5, -1.0, 1.0, 1.0])
    scans = check_files(
        [
            file_of(tmp_path / "1.nii", "own", "t1"),
            file_of(tmp_path / "2.nii", "own", "t2", affine=shifted),
            file_of(tmp_path / "3.nii", "brats", "t1", "brats"),
            file_of(tmp_path / "4.nii", "brats", "t2", "brats", affine=shifted),
            file_of(tmp_path / "5.nii", "ixi", "t1", "ixi"),
            file_of(tmp_path / "6.nii", "lab", "t1", "folder"),
        ],
        tmp_path,
    )
    assert registered_subjects(scans) == {"brats", "lab"}
    assert registered_subjects(scans, True) == {"own", "brats", "ixi", "lab"}
    assert registered_subjects(scans, False) == set()
