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
    with pytest.raises(InputError, match=r"holds no brats scan.*a bids archive: use cohort\.kind=bids"):
        build_manifest("real", "brats", Path(REAL_DATA) / "ms_bids")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Everything there is, read by every reader."""
    return build_manifest("real", "mixed", Path(REAL_DATA), journal=tmp_path_factory.mktemp("mixed") / "checks.jsonl")


def test_the_scans_of_a_bids_folder_tell_whether_they_are_registered(mixed):
    patients = mixed[mixed["layout"] == "bids"].groupby("subject")["registered"].agg(set).to_dict()
    assert patients == {"sub-mni07": {"yes"}, "sub-mni19": {"yes"}, "sub-raw03": {"no"}, "sub-raw12": {"no"}}


def test_all_readers_together_know_every_patient_and_refuse_none(mixed):
    summary = summarise(mixed)
    assert summary["refused_scans"] == summary["spare_scans"] == []
    assert summary["subjects"] == 9
    assert summary["modalities"] == ["t1", "t1c", "t2", "flair"]
    assert summary["incomplete_subjects"] == {"sub-raw03": ["t1c"], "sub-raw12": ["t1c"]}
    assert summary["unrecognised_files"]["count"] == 0
    assert set(mixed.loc[mixed["layout"] == "brats", "registered"]) == {"yes"}
