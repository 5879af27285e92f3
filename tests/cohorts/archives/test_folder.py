"""A laboratory's own folder: whose files are whose, what is not read, and what stays with the other layouts."""

from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.archives.folder import clean
from mrisynth_pipeline.cohorts.archives.layouts import find_scans, study_modalities
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest import UNRECOGNISED, build_manifest, summarise


@pytest.fixture
def read(tmp_path):
    """Make empty files and say (subject, patient, session, modality) of those that the layout reads."""

    def make_and_read(*names: str) -> dict[str, tuple[str, ...]]:
        folder = tmp_path / "study"
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return {
            scan.path.relative_to(folder).as_posix(): (scan.subject, scan.patient, scan.session, scan.modality)
            for scan in find_scans("folder", folder)
        }

    return make_and_read


def test_the_folder_of_the_files_is_the_subject(read):
    assert read("Pat_03/AX_T2_FLAIR.nii.gz", "Pat_03/SAG T1 MPRAGE +C.nii.gz", "Pat 04/t1.nrrd") == {
        "Pat_03/AX_T2_FLAIR.nii.gz": ("Pat_03", "Pat_03", "", "flair"),
        "Pat_03/SAG T1 MPRAGE +C.nii.gz": ("Pat_03", "Pat_03", "", "t1c"),
        "Pat 04/t1.nrrd": ("Pat-04", "Pat-04", "", "t1"),
    }


def test_folders_of_contrasts_and_formats_are_passed_over_and_others_are_part_of_the_name(read):
    found = read("P1/anat/T1/t1.nii", "P1/FLAIR/flair.nii", "siteA/P1/t1.nii", "siteB/P1/nifti/t1.nii")
    assert {name: who[0] for name, who in found.items()} == {
        "P1/anat/T1/t1.nii": "P1",
        "P1/FLAIR/flair.nii": "P1",
        "siteA/P1/t1.nii": "siteA_P1",
        "siteB/P1/nifti/t1.nii": "siteB_P1",
    }


@pytest.mark.parametrize("session", ["ses-2", "2021-03-04", "20210304", "baseline", "visit1", "FU 2", "postop"])
def test_a_folder_named_like_a_time_point_is_a_session_of_the_patient(read, session):
    (who,) = read(f"P1/{session}/t2.nii").values()
    assert who == (f"P1_{clean(session)}", "P1", clean(session), "t2")


def test_loose_files_are_one_subject_named_after_the_folder(read):
    found = read("t1.nii.gz", "AX_FLAIR.nii.gz", "T1_post.nii.gz")
    assert set(found.values()) == {("study", "study", "", name) for name in ("t1", "flair", "t1c")}


def test_loose_files_with_one_beginning_are_one_subject_and_with_several_as_many(read):
    assert {who[0] for who in read("P1_T1.nii", "P1_FLAIR.nii").values()} == {"study"}
    found = read("P2-t2.nii", "P2_ses-1_T1.nii", "T2.nii")
    assert {name: who[:3] for name, who in found.items()} == {
        "P1_T1.nii": ("P1", "P1", ""),
        "P1_FLAIR.nii": ("P1", "P1", ""),
        "P2-t2.nii": ("P2", "P2", ""),
        "P2_ses-1_T1.nii": ("P2_ses-1", "P2", "ses-1"),
        "T2.nii": ("study", "study", ""),
    }


def test_two_people_who_share_no_contrast_stay_two(read):
    assert {who[0] for who in read("P1_T1.nii", "P2_T2.nii").values()} == {"P1", "P2"}


def test_one_folder_per_contrast_with_files_named_after_subject_and_contrast(read):
    found = read("T1/P1_T1.nii", "FLAIR/P1_FLAIR.nii", "T1/P2_T1.nii")
    assert [(who[0], who[3]) for who in found.values()] == [("P1", "flair"), ("P1", "t1"), ("P2", "t1")]


def test_the_name_of_the_subject_says_no_contrast(read):
    found = read("PD_07/PD_07_T1.nii", "PD_08/PD_08-T2.nii", "Tumor_1/Tumor_1_FLAIR.nii", "PD_09/PD_010_T1.nii")
    assert {name: who[3] for name, who in found.items()} == {
        "PD_07/PD_07_T1.nii": "t1",
        "PD_08/PD_08-T2.nii": "t2",
        "Tumor_1/Tumor_1_FLAIR.nii": "flair",
    }


def test_two_folders_that_would_be_one_subject_are_refused(read):
    with pytest.raises(InputError, match=r"a b/c.* and a-b_c would both be subject a-b_c\. Rename one of them"):
        read("a b/c/t1.nii", "a-b_c/t2.nii")


def test_what_is_not_read_is_a_row_with_its_own_reason(tmp_path, write_scan):
    for name in ("P1/t1.nii.gz", "P1/t2_t1.nii.gz", "P1/tumor_seg.nii.gz", "P1/brain_mask.nii.gz"):
        write_scan(tmp_path / name)
    manifest = build_manifest("study", "folder", tmp_path)
    reasons = dict(manifest.loc[manifest["modality"] == UNRECOGNISED, ["path", "problems"]].itertuples(index=False))
    assert reasons["P1/t2_t1.nii.gz"].startswith("t2_t1.nii.gz: its name says T1 and T2. Rename it")
    assert reasons["P1/tumor_seg.nii.gz"].startswith("tumor_seg.nii.gz: its name says TUMOR, which is no scan")
    assert set(reasons) == {"P1/t2_t1.nii.gz", "P1/tumor_seg.nii.gz"}
    assert set(manifest.loc[manifest["path"] == "P1/brain_mask.nii.gz", "modality"]) == {"brain"}


def test_a_study_can_be_made_of_such_a_folder(tmp_path, write_scan):
    for subject in ("P1", "P2"):
        for name in ("t1", "flair"):
            write_scan(tmp_path / subject / f"{name}.nii.gz")
    assert study_modalities("folder", tmp_path) == ("t1", "flair")
    summary = summarise(build_manifest("study", "folder", tmp_path))
    assert (summary["subjects"], summary["complete_subjects"], summary["refused_scans"]) == (2, 2, [])


def test_two_files_for_one_contrast_are_never_chosen_between(tmp_path, write_scan):
    for name in ("t1.nii.gz", "t1_mprage.nii.gz", "t2.nii.gz"):
        write_scan(tmp_path / "P1" / name)
    manifest = build_manifest("study", "folder", tmp_path)
    assert list(manifest.loc[manifest["problems"] == "", "modality"]) == ["t2"]
    assert manifest["problems"].str.contains("t1 of P1 is there more than once").sum() == 2


def test_a_mixed_folder_leaves_such_names_alone(tmp_path, write_brats, write_scan):
    write_brats(tmp_path, ("BraTS-GLI-00001-000",))
    write_scan(tmp_path / "P1" / "t1.nii.gz")
    layouts = build_manifest("study", "mixed", tmp_path).groupby("layout")["path"].count().to_dict()
    assert layouts == {"": 1, "brats": 5}


def test_an_archive_is_still_taken_for_what_it_is(read, tmp_path):
    read("x/BraTS2021_00017_t1.nii.gz")
    with pytest.raises(InputError, match=r"It looks like a brats archive: use cohort\.kind=brats"):
        find_scans("ixi", tmp_path / "study")


def test_a_folder_of_no_archive_is_suggested_as_a_folder(read, tmp_path):
    read("P1/t1.nii.gz", "P1/unknown.nii.gz")
    with pytest.raises(InputError, match=r"but 1 files.*names say the contrasts, use cohort\.kind=folder"):
        find_scans("brats", tmp_path / "study")


@pytest.mark.parametrize(("name", "cleaned"), [("P 1/2", "P-1-2"), ("..", "subject"), ("Ä_1", "Ä_1"), ("-x-", "x")])
def test_names_become_good_for_files(name, cleaned):
    assert clean(name) == cleaned
    assert Path(cleaned).name == cleaned
