"""The reader on real scans, where someone has them (``MRISYNTH_REAL_DATA``)."""

import os
from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest import build_manifest, summarise

REAL_DATA = os.environ.get("MRISYNTH_REAL_DATA")
pytestmark = pytest.mark.skipif(
    REAL_DATA is None, reason="MRISYNTH_REAL_DATA is unset: no real scans to try the reader on"
)


@pytest.fixture(scope="module")
def manifest():
    return build_manifest("real", "brats", Path(REAL_DATA) / "brats2021")


def test_five_patients_of_brats_2021_are_sound_and_complete(manifest):
    summary = summarise(manifest)
    assert summary["refused_scans"] == []
    assert summary["subjects"] == summary["complete_subjects"] == summary["label_maps"] == 5
    assert set(manifest["shape"]) == {"240x240x155"}
    assert set(manifest["orientation"]) == {"LPS"}


def test_a_bids_folder_is_not_taken_for_brats():
    with pytest.raises(InputError, match=r"holds no brats scan.*found .*\.nii\.gz"):
        build_manifest("real", "brats", Path(REAL_DATA) / "ms_bids")
