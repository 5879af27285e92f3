"""What a laboratory hands in, from every side: whose scans, which contrasts, what is left out and what is said."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mrisynth_pipeline.cohorts import integrity
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject
from mrisynth_pipeline.imputing.own_scans import OwnScans, find_own_scans

GLIOMA = ("t1", "t1c", "t2", "flair")


def found(input: Path, modalities=GLIOMA, **options) -> dict[str, dict[str, str]]:
    """Subject → {contrast: file name}."""
    subjects = find_own_scans(OwnScans(input, **options), modalities)
    return {own.subject: {name: source.path.name for name, source in own.scans.items()} for own in subjects}


def test_a_folder_of_lab_names(tmp_path, put):
    for name in ("Pat_03/AX_T2_FLAIR", "Pat_03/SAG T1 MPRAGE +C", "Pat_04/t1", "Pat_04/t1_t2"):
        put(tmp_path / f"{name}.nii.gz")
    first, second = find_own_scans(OwnScans(tmp_path), GLIOMA)
    assert (first.subject, list(first.scans), first.notes) == ("Pat_03", ["t1c", "flair"], ())
    assert second.scans["t1"] == ScanSource(tmp_path / "Pat_04/t1.nii.gz", second.scans["t1"].sha256, labels={})
    (note,) = second.notes
    assert note.startswith("t1_t2.nii.gz: its name says T1 and T2. To use it, rename it or say what it is (--names")
    assert first.problems == second.problems == first.remarks == second.remarks == ()


@pytest.mark.parametrize(
    ("names", "subject", "patient", "session"),
    [
        (
            ["sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz", "sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz"],
            "sub-01_ses-2",
            "sub-01",
            "2",
        ),
        (
            ["BraTS-GLI-00001-003-t1n.nii.gz", "BraTS-GLI-00001-003-t2f.nii.gz"],
            "BraTS-GLI-00001-003",
            "BraTS-GLI-00001",
            "003",
        ),
        (["IXI002-Guys-0828-T1.nii.gz", "IXI002-Guys-0828-T2.nii.gz"], "IXI002-Guys-0828", "IXI002", ""),
        (
            ["Case001-preop-MR-3D_AX_T1_precontrast.nii.gz", "Case001-preop-MR-2D_AX_T2_FLAIR.nii.gz"],
            "Case001",
            "Case001",
            "",
        ),
    ],
)
def test_archives_are_known_by_their_names(tmp_path, put, names, subject, patient, session):
    for name in names:
        put(tmp_path / name)
    (own,) = find_own_scans(OwnScans(tmp_path), GLIOMA)
    assert (own.subject, own.patient, own.session, len(own.scans)) == (subject, patient, session, 2)


def test_several_archives_in_one_folder_are_read_side_by_side(tmp_path, put):
    put(tmp_path / "a" / "sub-01_T1w.nii.gz")
    put(tmp_path / "b" / "BraTS-GLI-00001-003-t1n.nii.gz")
    assert set(found(tmp_path)) == {"sub-01", "BraTS-GLI-00001-003"}


def test_one_file_named_like_an_archive_does_not_hide_a_folder_of_others(tmp_path, put):
    for name in ("P1/t1", "P1/flair", "P2/t1", "sub-01/sub-01_T1w"):
        put(tmp_path / f"{name}.nii.gz")
    assert set(found(tmp_path)) == {"P1", "P2", "sub-01"}


def test_masks_and_label_maps_come_along_and_others_are_named(tmp_path, put):
    shape = np.zeros((20, 20, 20), np.uint8)
    shape[8:12, 8:12, 8:12] = 1
    put(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz")
    put(tmp_path / "derivatives/x/sub-01/anat/sub-01_desc-brain_mask.nii.gz", shape)
    put(tmp_path / "derivatives/x/sub-01/anat/sub-01_label-tumor_dseg.nii.gz", 2 * shape)
    put(tmp_path / "derivatives/x/sub-01/anat/sub-01_label-lesion_mask.nii.gz", shape)
    (own,) = find_own_scans(OwnScans(tmp_path), GLIOMA)
    assert list(own.scans) == ["t1", "seg", "brain"]
    assert own.scans["seg"].labels == {0: 0, 1: 1, 2: 2, 3: 3}
    (note,) = own.notes
    assert "sub-01_label-lesion_mask.nii.gz: is not used, its name says that it is 'lesion'" in note


def test_many_files_of_another_kind_take_one_sentence(tmp_path, put):
    put(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    for run in range(1, 4):
        put(tmp_path / "sub-01" / "func" / f"sub-01_task-rest_run-{run}_bold.nii.gz")
    (own,) = find_own_scans(OwnScans(tmp_path), GLIOMA)
    assert own.notes == (
        "sub-01_task-rest_run-1_bold.nii.gz: is not used, its name says that it is 'other', nor are 2 more like it. "
        "Nothing needs doing",
    )


def test_a_contrast_that_the_model_does_not_know_is_not_read(tmp_path, put):
    put(tmp_path / "P1" / "t1.nii.gz")
    (tmp_path / "P1" / "pd.nii.gz").write_bytes(b"")  # would be refused if it were looked at
    (own,) = find_own_scans(OwnScans(tmp_path), GLIOMA)
    assert list(own.scans) == ["t1"]
    assert own.notes == ("pd.nii.gz: is not used: the model does not know PD. It knows T1, T1Gd, T2, FLAIR",)


def test_a_refused_file_costs_its_contrast_a_subject_without_any_costs_itself_and_others_go_on(tmp_path, put):
    put(tmp_path / "P1" / "t1.nii.gz")
    (tmp_path / "P1" / "t2.nii.gz").write_bytes(b"")
    (tmp_path / "P2").mkdir()
    (tmp_path / "P2" / "t1.nii.gz").write_bytes(b"no scan")
    put(tmp_path / "P3" / "scan.nii.gz")
    first, second, third = find_own_scans(OwnScans(tmp_path), GLIOMA)
    assert (list(first.scans), first.problems) == (["t1"], ())
    assert first.remarks == ("t2.nii.gz: the file is empty (0 bytes). Download or copy it again",)
    assert second.scans == third.scans == {}
    assert second.problems[0].startswith("P2: has no usable scan of what the model knows (T1, T1Gd, T2, FLAIR)")
    assert "t1.nii.gz: is not a NIfTI file" in second.problems[0]
    assert "scan.nii.gz: its name says no contrast" in third.problems[0]


def test_scans_tell_whether_they_are_registered_and_the_user_overrules_them(tmp_path, put):
    put(tmp_path / "P1" / "t1.nii.gz")
    put(tmp_path / "P1" / "t2.nii.gz")
    put(tmp_path / "P2" / "t1.nii.gz")
    put(tmp_path / "P2" / "t2.nii.gz", affine=np.diag([5.0, 6, 6, 1]))
    for said, expected in ((None, [True, False]), (True, [True, True]), (False, [False, False])):
        assert [own.registered for own in find_own_scans(OwnScans(tmp_path), GLIOMA, said)] == expected


def test_one_patient_under_two_names_is_found_out(tmp_path, put):
    put(tmp_path / "P1" / "t1.nii.gz")
    put(tmp_path / "P1" / "t2.nii.gz")
    (tmp_path / "P2").mkdir()
    shutil.copy(tmp_path / "P1" / "t1.nii.gz", tmp_path / "P2")
    first, second = find_own_scans(OwnScans(tmp_path), GLIOMA)
    assert list(first.scans) == ["t2"]
    assert "suspected duplicate subject" in first.remarks[0]
    assert "suspected duplicate subject" in second.problems[0]


class TestFiles:
    def test_files_may_lie_anywhere(self, tmp_path, put, monkeypatch):
        put(tmp_path / "a" / "first.nii.gz")
        put(tmp_path / "b" / "c" / "second.nii")
        monkeypatch.chdir(tmp_path / "a")
        given = OwnScans(files={"T1w": Path("first.nii.gz"), "flair": Path("../b/c/second.nii")}, subject="P7")
        (own,) = find_own_scans(given, GLIOMA)
        assert (own.subject, own.patient, list(own.scans), own.problems) == ("P7", "P7", ["t1", "flair"], ())
        assert all(source.path.is_absolute() and source.path.is_file() for source in own.scans.values())

    def test_one_file_under_two_contrasts_is_refused(self, tmp_path, put):
        path = put(tmp_path / "x.nii.gz")
        (own,) = find_own_scans(OwnScans(files={"t1": path, "t2": path}), GLIOMA)
        assert own.scans == {}
        assert "has the same content as x.nii.gz" in own.problems[0]

    def test_the_subject_is_named_after_what_names_have_in_common_else_after_the_folder(self, tmp_path, put):
        first, second = put(tmp_path / "lab" / "P7_T1.nii.gz"), put(tmp_path / "lab" / "P7_FLAIR.nii.gz")
        (own,) = find_own_scans(OwnScans(files={"t1": first, "flair": second}), GLIOMA)
        assert own.subject == "P7"
        (own,) = find_own_scans(OwnScans(files={"t1": put(tmp_path / "lab" / "T1.nii.gz"), "flair": second}), GLIOMA)
        assert own.subject == "lab"

    def test_a_single_scan_says_its_contrast_by_its_name(self, tmp_path, put):
        assert found(put(tmp_path / "P7_t2.nii.gz")) == {"P7": {"t2": "P7_t2.nii.gz"}}
        assert found(put(tmp_path / "P7_dark.nii"), names="*dark*=flair", subject="X") == {
            "X": {"flair": "P7_dark.nii"}
        }


class TestNames:
    def test_patterns_say_what_names_do_not(self, tmp_path, put):
        for name in ("P7_mp2rage_UNI", "P7_dark", "P8_mp2rage_UNI", "P8_T2", "P9_other"):
            put(tmp_path / f"{name}.nii.gz")
        assert found(tmp_path, names="*_mp2rage*=t1,*_dark*=flair") == {
            "P7": {"t1": "P7_mp2rage_UNI.nii.gz", "flair": "P7_dark.nii.gz"},
            "P8": {"t1": "P8_mp2rage_UNI.nii.gz", "t2": "P8_T2.nii.gz"},
        }

    def test_they_decide_about_the_contrasts_that_they_name_and_the_first_wins(self, tmp_path, put):
        for name in ("t1_raw", "t1_n4", "flair"):
            put(tmp_path / "P1" / f"{name}.nii.gz")
        (own,) = find_own_scans(OwnScans(tmp_path, names="*_n4*=t1,*t1*=t2"), GLIOMA)
        assert {name: source.path.name for name, source in own.scans.items()} == {
            "t1": "t1_n4.nii.gz",
            "t2": "t1_raw.nii.gz",
            "flair": "flair.nii.gz",
        }
        (own,) = find_own_scans(OwnScans(tmp_path, names="*_n4*=t1"), GLIOMA)
        assert own.scans["t1"].path.name == "t1_n4.nii.gz"
        assert own.notes == ("t1_raw.nii.gz: is not used: --names says which files are T1. Nothing needs doing",)

    def test_they_choose_among_the_series_of_an_archive(self, tmp_path, put):
        for name in ("sub-01_run-1_T1w", "sub-01_run-2_T1w", "sub-01_MP2RAGE", "sub-01_T2w"):
            put(tmp_path / "sub-01" / "anat" / f"{name}.nii.gz")
        assert found(tmp_path, names="*run-2_T1w*=t1,*MP2RAGE*=flair") == {
            "sub-01": {"t1": "sub-01_run-2_T1w.nii.gz", "t2": "sub-01_T2w.nii.gz", "flair": "sub-01_MP2RAGE.nii.gz"}
        }

    def test_a_brain_mask_can_be_named(self, tmp_path, put):
        put(tmp_path / "P1" / "t1.nii.gz")
        put(
            tmp_path / "P1" / "hdbet.nii.gz", np.ones((20, 20, 20), np.uint8) * np.arange(20, dtype=np.uint8).clip(0, 1)
        )
        assert found(tmp_path, names="*hdbet*=brain") == {"P1": {"t1": "t1.nii.gz", "brain": "hdbet.nii.gz"}}


class TestSubjectOfAFolder:
    def test_loose_files_are_one_subject_if_the_user_says_so(self, tmp_path, put):
        for name in ("003_t1", "005_flair"):
            put(tmp_path / f"{name}.nii.gz")
        assert set(found(tmp_path)) == {"003", "005"}
        assert found(tmp_path, subject="P7") == {"P7": {"t1": "003_t1.nii.gz", "flair": "005_flair.nii.gz"}}

    def test_several_people_do_not_become_one(self, tmp_path, put):
        for name in ("P1/t1", "P2/t2"):
            put(tmp_path / f"{name}.nii.gz")
        with pytest.raises(InputError, match=r"--subject: names one subject, but .* holds 2: P1, P2\. Leave it out"):
            found(tmp_path, subject="P7")


class TestOwnResults:
    """What this software made up is no measurement."""

    def test_by_name(self, tmp_path, put):
        put(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
        put(tmp_path / "sub-01" / "anat" / "sub-01_desc-synth_FLAIR.nii.gz")
        (own,) = find_own_scans(OwnScans(tmp_path), GLIOMA)
        assert (list(own.scans), own.notes) == (["t1"], ())

    def test_by_the_output_folder(self, tmp_path, put):
        put(tmp_path / "P1" / "t1.nii.gz")
        put(tmp_path / "results" / "P1" / "flair.nii.gz")
        assert set(found(tmp_path)) == {"P1", "results_P1"}
        assert found(tmp_path, output=tmp_path / "results") == {"P1": {"t1": "t1.nii.gz"}}

    def test_by_what_a_dataset_says_of_itself(self, tmp_path, put):
        put(tmp_path / "P1" / "t1.nii.gz")
        put(tmp_path / "x" / "P1" / "flair.nii.gz")
        for name, subjects in (("fMRIPrep", {"P1", "x_P1"}), ("mrisynth_pipeline", {"P1"})):
            (tmp_path / "x" / "dataset_description.json").write_text(json.dumps({"GeneratedBy": [{"Name": name}]}))
            assert set(found(tmp_path)) == subjects
        (tmp_path / "x" / "dataset_description.json").write_text("{broken")
        assert set(found(tmp_path)) == {"P1", "x_P1"}

    def test_an_output_that_holds_the_input_takes_nothing_away(self, tmp_path, put):
        put(tmp_path / "in" / "t1.nii.gz")
        assert set(found(tmp_path / "in", output=tmp_path)) == {"in"}


def test_files_that_did_not_change_are_not_read_again(tmp_path, put, monkeypatch):
    put(tmp_path / "scans" / "P1" / "t1.nii.gz")
    journal = tmp_path / "checks.jsonl"
    first = find_own_scans(OwnScans(tmp_path / "scans"), GLIOMA, journal=journal)
    monkeypatch.setattr(integrity.hashlib, "file_digest", None)  # whoever reads a file again fails
    assert find_own_scans(OwnScans(tmp_path / "scans"), GLIOMA, journal=journal) == first


def test_what_is_found_can_be_prepared(tmp_path, put):
    put(tmp_path / "P1" / "t1.nii.gz")
    put(tmp_path / "P1" / "AX_T2_FLAIR.nii.gz")
    (own,) = find_own_scans(OwnScans(tmp_path), GLIOMA)
    grid = GridParameters(size=(16, 16, 16), spacing_mm=(8.0, 8.0, 8.0))
    subject = preprocess_subject(own.subject, own.scans, GLIOMA, PreprocessingParameters(grid=grid), own.registered)
    assert subject.present == (True, False, False, True)


@pytest.mark.skipif("MRISYNTH_REAL_DATA" not in os.environ, reason="MRISYNTH_REAL_DATA is unset: no real scans to try")
class TestRealScans:
    @pytest.fixture(scope="class")
    def journal(self, tmp_path_factory):
        return tmp_path_factory.mktemp("own") / "checks.jsonl"

    def test_a_bids_folder(self, journal):
        subjects = find_own_scans(OwnScans(Path(os.environ["MRISYNTH_REAL_DATA"]) / "ms_bids"), GLIOMA, journal=journal)
        registered = {"sub-mni07": True, "sub-mni19": True, "sub-raw03": False, "sub-raw12": False}
        assert {own.subject: own.registered for own in subjects} == registered
        assert [len(own.scans) for own in subjects] == [4, 4, 3, 3]

    def test_the_same_patient_under_the_names_of_a_lab(self, tmp_path, journal):
        source = Path(os.environ["MRISYNTH_REAL_DATA"]) / "ms_bids" / "sub-raw03" / "anat"
        (tmp_path / "Pat_03").mkdir()
        for name, own in (("T1w", "SAG T1 MPRAGE"), ("T2w", "ax_t2_tse"), ("FLAIR", "AX_T2_FLAIR")):
            (tmp_path / "Pat_03" / f"{own}.nii.gz").symlink_to(source / f"sub-raw03_{name}.nii.gz")
        (own,) = find_own_scans(OwnScans(tmp_path), GLIOMA)
        assert (list(own.scans), own.registered, own.problems, own.notes) == (["t1", "t2", "flair"], False, (), ())
