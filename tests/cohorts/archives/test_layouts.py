"""File names of every archive, and folders that are not what they were said to be."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.archives.layouts import DISTINCT, LAYOUTS, ScanFile, find_scans, unrecognised_files
from mrisynth_pipeline.cohorts.errors import InputError

NAMES = [
    # kind, path, subject, patient, session, site, modality
    ("brats", "BraTS-GLI-00005-000-t1n.nii.gz", "BraTS-GLI-00005-000", "BraTS-GLI-00005", "000", "", "t1"),
    ("brats", "BraTS-GLI-00005-001-t1c.nii.gz", "BraTS-GLI-00005-001", "BraTS-GLI-00005", "001", "", "t1c"),
    ("brats", "a/b/BraTS-MEN-00005-000-t2w.nii", "BraTS-MEN-00005-000", "BraTS-MEN-00005", "000", "", "t2"),
    ("brats", "BraTS-GLI-00005-000-t2f.nii.gz", "BraTS-GLI-00005-000", "BraTS-GLI-00005", "000", "", "flair"),
    ("brats", "BraTS-GLI-00005-000-seg.nii.gz", "BraTS-GLI-00005-000", "BraTS-GLI-00005", "000", "", "seg"),
    ("brats", "BraTS-GoAT-00005-t1n.nii.gz", "BraTS-GoAT-00005", "BraTS-GoAT-00005", "", "", "t1"),
    ("brats", "x/BraTS2021_00017_t1.nii.gz", "BraTS2021_00017", "BraTS2021_00017", "", "", "t1"),
    ("brats", "x/BraTS2021_00017_t1ce.nii.gz", "BraTS2021_00017", "BraTS2021_00017", "", "", "t1c"),
    (
        "brats",
        "BraTS20_Training_001_flair.nii",
        "BraTS20_Training_001",
        "BraTS20_Training_001",
        "",
        "",
        "flair",
    ),
    (
        "brats",
        "BraTS20_Validation_001_t2.nii",
        "BraTS20_Validation_001",
        "BraTS20_Validation_001",
        "",
        "",
        "t2",
    ),
    ("brats", "W39_1998.09.19_Segm.nii", "BraTS20_Training_355", "BraTS20_Training_355", "", "", "seg"),
    ("ixi", "IXI-T1/IXI002-Guys-0828-T1.nii.gz", "IXI002-Guys-0828", "IXI002", "", "Guys", "t1"),
    ("ixi", "IXI012-HH-1211-T2.nii.gz", "IXI012-HH-1211", "IXI012", "", "HH", "t2"),
    ("ixi", "IXI-PD/IXI035-IOP-0873-PD.nii", "IXI035-IOP-0873", "IXI035", "", "IOP", "pd"),
    ("ixi", "IXI-DTI/IXI035-IOP-0873-DTI-04.nii.gz", "IXI035-IOP-0873", "IXI035", "", "IOP", "dti"),
    ("msd", "Task01_BrainTumour/labelsTr/BRATS_001.nii.gz", "BRATS_001", "BRATS_001", "", "", "seg"),
    ("msd", "labelsTr/BRATS_484.nii", "BRATS_484", "BRATS_484", "", "", "seg"),
    ("remind", "Case001-preop-MR-3D_SAG_T2_SPACE.nrrd", "Case001", "Case001", "", "", "t2"),
    ("remind", "a/Case001-preop-MR-3D_AX_T2_SPACE-r.nii.gz", "Case001", "Case001", "", "", "t2"),
    ("remind", "Case001-preop-MR-3D_AX_T1_postcontrast.nrrd", "Case001", "Case001", "", "", "t1c"),
    ("remind", "Case001-preop-MR-3D_AX_T1_precontrast.nrrd", "Case001", "Case001", "", "", "t1"),
    ("remind", "Case002-preop-MR-3D_SAG_T1_MP2RAGE-r.nrrd", "Case002", "Case002", "", "", "t1"),
    ("remind", "Case001-preop-MR-2D_COR_T2_BLADE.nrrd", "Case001", "Case001", "", "", "t2"),
    ("remind", "Case001-preop-MR-2D_AX_T2_FLAIR.nrrd", "Case001", "Case001", "", "", "flair"),
    ("remind", "Case001-preop-MR-2D_AX_PD.nrrd", "Case001", "Case001", "", "", "pd"),
    ("remind", "Case001-preop-MR-2D_AX_DWI.nrrd", "Case001", "Case001", "", "", "other"),
    ("remind", "Case001-intraop-MR-3D_AX_T2_SPACE.nrrd", "Case001", "Case001", "", "", "intraop-t2"),
    ("remind", "Case001-intraop-US-pre_dura.nrrd", "Case001", "Case001", "", "", "us"),
    ("remind", "Case001-intraop-US-post_dura.nrrd", "Case001", "Case001", "", "", "intraop-us"),
    ("remind", "Case001-preop-SEG-tumor-MR-3D_AX_T2_SPACE.nrrd", "Case001", "Case001", "", "", "outline"),
    ("bids", "sub-01/anat/sub-01_T1w.nii.gz", "sub-01", "sub-01", "", "", "t1"),
    ("bids", "sub-01/ses-02/anat/sub-01_ses-02_T2w.nii", "sub-01_ses-02", "sub-01", "02", "", "t2"),
    ("bids", "sub-01_acq-mprage_ce-gadolinium_rec-norm_run-1_T1w.nii.gz", "sub-01", "sub-01", "", "", "t1c"),
    ("bids", "sub-01_PDw.nii.gz", "sub-01", "sub-01", "", "", "pd"),
    ("bids", "sub-01_ce-gadolinium_FLAIR.nii.gz", "sub-01", "sub-01", "", "", "flair"),
    ("bids", "sub-01_part-mag_T2w.nii.gz", "sub-01", "sub-01", "", "", "t2"),
    ("bids", "sub-01_part-phase_T2w.nii.gz", "sub-01", "sub-01", "", "", "other"),
    ("bids", "sub-01_inv-1_MP2RAGE.nii.gz", "sub-01", "sub-01", "", "", "other"),
    ("bids", "sub-01/func/sub-01_task-rest_bold.nii.gz", "sub-01", "sub-01", "", "", "other"),
    ("bids", "sub-01/dwi/sub-01_dwi.nii.gz", "sub-01", "sub-01", "", "", "other"),
    ("bids", "sub-01_space-MNI152_T1w.nii.gz", "sub-01", "sub-01", "", "", "derivative"),
    ("bids", "derivatives/x/sub-01/anat/sub-01_desc-brain_mask.nii.gz", "sub-01", "sub-01", "", "", "brain"),
    ("bids", "derivatives/x/sub-01_space-T1w_label-brain_mask.nii.gz", "sub-01", "sub-01", "", "", "brain"),
    ("bids", "derivatives/x/sub-01_space-MNI_desc-brain_mask.nii.gz", "sub-01", "sub-01", "", "", "derivative"),
    ("bids", "derivatives/x/sub-01_desc-tumor_dseg.nii.gz", "sub-01", "sub-01", "", "", "seg"),
    ("bids", "derivatives/x/sub-01_ses-02_label-tumor_dseg.nii.gz", "sub-01_ses-02", "sub-01", "02", "", "seg"),
    ("bids", "derivatives/x/sub-01_label-lesion_mask.nii.gz", "sub-01", "sub-01", "", "", "lesion"),
    ("bids", "derivatives/x/sub-01_label-GM_probseg.nii.gz", "sub-01", "sub-01", "", "", "derivative"),
    ("bids", "derivatives/x/sub-01_desc-preproc_T1w.nii.gz", "sub-01", "sub-01", "", "", "derivative"),
    ("bids", "derivatives/x/sub-01_T1w.nii.gz", "sub-01", "sub-01", "", "", "derivative"),
]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(("kind", "name", "subject", "patient", "session", "site", "modality"), NAMES)
def test_file_names_tell_subject_patient_session_site_and_modality(
    tmp_path, kind, name, subject, patient, session, site, modality
):
    path = touch(tmp_path / name)
    (scan,) = find_scans(kind, tmp_path)
    assert replace(scan, labels={}) == ScanFile(subject, patient, session, site, modality, path, layout=kind)


@pytest.mark.parametrize(
    "name",
    [
        "BraTS2021_00017_t1n.nii.gz",  # contrast name of another year
        "BraTS-GLI-00005-000_t1n.nii.gz",
        "BraTS-GLI-00005-000-t1n-voided.nii.gz",
        "BraTS-GLI-00005-000-t1n.nii.gz.part",
        "IXI002-Guys-0828-T1.nii.gz.txt",
        "IXI002-Guys-T1.nii.gz",
        "BRATS_001.nii.gz",  # in neither imagesTr nor labelsTr: scan or label map?
        "imagesTr/BRATS_1.nii.gz",
        "imagesTr/._BRATS_001.nii.gz",
        "Case1-preop-MR-2D_AX_T2.nrrd",
        "Case001-MR-2D_AX_T2.nrrd",
        "T1w.nii.gz",
        "sub-01-T1w.nii.gz",
        "sub-01_T1w.json",
    ],
)
def test_names_that_only_resemble_a_scan_are_not_taken(tmp_path, name):
    touch(tmp_path / name)
    assert [LAYOUTS[kind].find_scans(tmp_path) for kind in DISTINCT] == [[]] * len(DISTINCT)


def test_nested_and_flat_archives_give_the_same_scans(tmp_path):
    for suffix in ("t1n", "t1c"):
        touch(tmp_path / "flat" / f"BraTS-GLI-00005-000-{suffix}.nii.gz")
        touch(tmp_path / "deep" / "training" / "BraTS-GLI-00005-000" / f"BraTS-GLI-00005-000-{suffix}.nii.gz")
    flat, deep = (find_scans("brats", tmp_path / name) for name in ("flat", "deep"))
    assert [(scan.subject, scan.modality) for scan in flat] == [(scan.subject, scan.modality) for scan in deep]
    assert len(flat) == 2


def test_linked_folders_are_followed_once(tmp_path):
    touch(tmp_path / "elsewhere" / "IXI002-Guys-0828-T1.nii.gz")
    raw_dir = tmp_path / "raw"
    raw_dir.mkdir()
    (raw_dir / "IXI-T1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(raw_dir)
    assert [scan.path for scan in find_scans("ixi", raw_dir)] == [raw_dir / "IXI-T1" / "IXI002-Guys-0828-T1.nii.gz"]


def test_hidden_twins_left_by_macos_are_passed_over(tmp_path):
    real = touch(tmp_path / "IXI002-Guys-0828-T1.nii.gz")
    touch(tmp_path / "._IXI002-Guys-0828-T1.nii.gz")
    scans = find_scans("ixi", tmp_path)
    assert [scan.path for scan in scans] == [real]
    assert unrecognised_files(tmp_path, scans) == []


def test_nifti_files_with_strange_names_are_returned_as_unrecognised(tmp_path):
    touch(tmp_path / "IXI002-Guys-0828-T1.nii.gz")
    strange = [touch(tmp_path / "brain.nii"), touch(tmp_path / "x" / "IXI002-T1-old.nii.gz")]
    touch(tmp_path / "IXI.csv")
    assert unrecognised_files(tmp_path, find_scans("ixi", tmp_path)) == strange


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("brats", "IXI-T1/IXI002-Guys-0828-T1.nii.gz", ["brats", "an ixi archive", "cohort.kind=ixi"]),
        ("ixi", "BraTS2021_00017_t1.nii.gz", ["ixi", "a brats archive", "cohort.kind=brats"]),
    ],
)
def test_an_archive_of_another_kind_is_named_with_the_remedy(tmp_path, kind, name, words):
    touch(tmp_path / name)
    with pytest.raises(InputError) as error:
        find_scans(kind, tmp_path)
    for word in [str(tmp_path), LAYOUTS[kind].example, *words]:
        assert word in str(error.value)


def test_a_folder_without_scans_says_what_it_holds_instead(tmp_path):
    touch(tmp_path / "IXI-T1.tar")
    touch(tmp_path / "IXI-T2.tar")
    touch(tmp_path / "notes.txt")
    with pytest.raises(InputError, match=r"2 \.tar and 1 \.txt files.*folder of the archive"):
        find_scans("ixi", tmp_path)


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(InputError, match=r"found no files instead.*Set cohort\.raw_dir"):
        find_scans("brats", tmp_path)


def test_a_missing_folder_and_a_file_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: there is no such folder.*cohort\.raw_dir"):
        find_scans("brats", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"IXI-T1\.tar: is a file.*Unpack it"):
        find_scans("ixi", touch(tmp_path / "IXI-T1.tar"))


def test_an_unknown_kind_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"'adni'.*brats, ixi"):
        find_scans("adni", tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions hold back")
def test_a_folder_that_cannot_be_listed_is_an_error_not_an_omission(tmp_path):
    touch(tmp_path / "closed" / "IXI002-Guys-0828-T1.nii.gz")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(InputError, match=r"closed: the folder cannot be listed"):
            find_scans("ixi", tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o755)


def test_label_value_4_is_enhancing_tumour_only_in_archives_until_2021(tmp_path):
    for name in ("BraTS2021_00017_seg.nii.gz", "BraTS-GLI-00005-000-seg.nii.gz"):
        (tmp_path / name).touch()
    labels = {scan.subject: scan.labels for scan in find_scans("brats", tmp_path)}
    assert labels["BraTS2021_00017"] == {0: 0, 1: 1, 2: 2, 3: 3, 4: 3}
    assert labels["BraTS-GLI-00005-000"] == {0: 0, 1: 1, 2: 2, 3: 3}
