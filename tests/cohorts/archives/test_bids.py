"""BIDS: several runs, sites, derivatives."""

import numpy as np
import pytest

from mrisynth_pipeline.cohorts.archives.layouts import find_scans, study_modalities
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest import build_manifest, summarise


@pytest.fixture
def dataset(tmp_path, write_scan):
    """One patient with two sessions, one without."""
    root = tmp_path / "dataset"
    for name in ("sub-01_ses-a_T1w", "sub-01_ses-a_FLAIR", "sub-01_ses-b_T1w", "sub-01_ses-b_FLAIR"):
        patient, session = name.split("_")[:2]
        write_scan(root / patient / session / "anat" / f"{name}.nii.gz")
    for name in ("sub-02_T1w", "sub-02_ce-gadolinium_T1w", "sub-02_FLAIR"):
        write_scan(root / "sub-02" / "anat" / f"{name}.nii.gz")
    return root


def sites(root):
    return {scan.patient: scan.site for scan in find_scans("bids", root)}


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["run-2", "run-1", "run-10"], "run-1"),
        (["acq-mprage", "rec-norm_run-1", "run-2"], "run-2"),
        (["", "run-1", "acq-a"], ""),
        (["acq-a_rec-b", "acq-z"], "acq-z"),
        (["acq-b", "acq-a"], "acq-a"),
    ],
)
def test_of_several_the_plainest_and_first_is_taken(tmp_path, write_scan, names, taken):
    for name in names:
        write_scan(tmp_path / f"sub-01{'_' if name else ''}{name}_T1w.nii.gz")
    (used,) = (scan for scan in find_scans("bids", tmp_path) if not scan.spare)
    assert used.path.name == f"sub-01{'_' if taken else ''}{taken}_T1w.nii.gz"


def test_sessions_are_subjects_of_one_patient(dataset):
    summary = summarise(build_manifest("study", "bids", dataset))
    assert (summary["subjects"], summary["patients"]) == (3, 2)
    assert summary["patients_with_several_time_points"] == {"sub-01": ["sub-01_ses-a", "sub-01_ses-b"]}


def test_the_contrasts_of_the_study_are_those_that_are_there_in_channel_order(dataset):
    assert study_modalities("bids", dataset) == ("t1", "t1c", "flair")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("participant_id\tage\tsite\nsub-01\t30\tGuys\nsub-02\t40\tn/a\n", {"sub-01": "Guys", "sub-02": ""}),
        ("participant_id\tscanner\tCentre\n01\tA\tX\n02\tB\tY\n", {"sub-01": "X", "sub-02": "Y"}),
        ("\ufeffparticipant_id\tscanner\nsub-01\tPrisma\n", {"sub-01": "Prisma", "sub-02": ""}),
        ("participant_id\tage\nsub-01\t30\n", {"sub-01": "", "sub-02": ""}),
        ("participant_id\tsite\nsub-01\n", {"sub-01": "", "sub-02": ""}),
        ("", {"sub-01": "", "sub-02": ""}),
    ],
)
def test_the_site_comes_from_the_participants_table(dataset, table, expected):
    (dataset / "participants.tsv").write_text(table, encoding="utf-8")
    assert sites(dataset) == expected
    assert sites(dataset.parent) == expected, "the table is found where the data set lies deeper"


def test_a_participants_table_that_is_none_is_named(dataset):
    (dataset / "participants.tsv").write_bytes(b"participant_id\tsite\nsub-01\t\xff\xfe\n")
    with pytest.raises(InputError, match=r"participants\.tsv: the table cannot be read.*UTF-8"):
        find_scans("bids", dataset)


def test_derivatives_give_masks_and_label_maps_but_no_scans(dataset, write_scan):
    derived = dataset / "derivatives" / "tool" / "sub-02" / "anat"
    write_scan(derived / "sub-02_desc-preproc_T1w.nii.gz")
    write_scan(derived / "sub-02_label-lesion_mask.nii.gz")
    brain = np.zeros((10, 11, 12), np.uint8)
    brain[2:8, 2:8, 2:8] = 1
    write_scan(derived / "sub-02_desc-brain_mask.nii.gz", brain)
    write_scan(derived / "sub-02_label-tumor_dseg.nii.gz", 3 * brain)
    manifest = build_manifest("study", "bids", dataset)
    rows = manifest[manifest["subject"] == "sub-02"].set_index("modality")
    assert sorted(rows.index) == ["brain", "flair", "seg", "t1", "t1c"]
    assert rows.loc["seg", "labels"] == "0:0 1:1 2:2 3:3"
    assert (manifest["problems"] == "").all()
    assert summarise(manifest)["unrecognised_files"]["count"] == 0


def test_where_the_first_run_is_broken_the_best_sound_spare_steps_in(dataset, write_scan):
    anat = dataset / "sub-02" / "anat"
    for run in (1, 2, 3):
        write_scan(anat / f"sub-02_run-{run}_T2w.nii.gz")
    (anat / "sub-02_run-1_T2w.nii.gz").write_bytes(b"")
    manifest = build_manifest("study", "bids", dataset)
    first, second, third = manifest[manifest["modality"] == "t2"].itertuples()  # sorted by path
    assert "the file is empty" in first.problems
    assert (second.problems, second.spare) == ("", "")
    assert "is used instead of sub-02_run-1_T2w.nii.gz, which is refused" in second.remarks
    assert "sub-02_run-2_T2w.nii.gz is used" in third.problems
    assert third.spare == "yes"


def test_where_all_runs_are_broken_the_contrast_is_missing(dataset, write_scan):
    for run in (1, 2):
        write_scan(dataset / "sub-02" / "anat" / f"sub-02_run-{run}_T2w.nii.gz").write_bytes(b"")
    write_scan(dataset / "sub-01" / "ses-a" / "anat" / "sub-01_ses-a_T2w.nii.gz")
    summary = summarise(build_manifest("study", "bids", dataset))
    assert "t2" in summary["incomplete_subjects"]["sub-02"]


def test_a_spare_run_does_not_decide_whether_a_subject_is_registered(dataset, write_scan):
    write_scan(dataset / "sub-02" / "anat" / "sub-02_run-2_T1w.nii.gz", affine=np.diag([3.0, 3, 3, 1]))
    manifest = build_manifest("study", "bids", dataset)
    assert set(manifest.loc[manifest["subject"] == "sub-02", "registered"]) == {"yes"}
    write_scan(dataset / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz", affine=np.diag([3.0, 3, 3, 1]))
    manifest = build_manifest("study", "bids", dataset)
    assert set(manifest.loc[manifest["subject"] == "sub-02", "registered"]) == {"no"}
    assert set(manifest.loc[manifest["patient"] == "sub-01", "registered"]) == {"yes"}


def test_only_other_things_are_no_study(tmp_path, write_scan):
    write_scan(tmp_path / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz")
    with pytest.raises(InputError, match=r"no scan there is one of t1, t1c, t2, flair, pd"):
        build_manifest("study", "bids", tmp_path)


def test_a_mixed_folder_is_read_by_every_reader(tmp_path, write_brats, write_ixi, write_scan):
    write_brats(tmp_path / "glioma", ("BraTS-GLI-00001-000",))
    write_ixi(tmp_path / "healthy", ("IXI002-Guys-0828",))
    write_scan(tmp_path / "own" / "sub-01" / "anat" / "sub-01_T2w.nii.gz")
    rng = np.random.default_rng(0)
    write_scan(tmp_path / "msd" / "imagesTr" / "BRATS_001.nii.gz", rng.integers(0, 9, (9, 9, 9, 4)).astype(np.int16))
    write_scan(tmp_path / "stranger.nii.gz")
    manifest = build_manifest("study", "mixed", tmp_path)
    layouts = manifest.groupby("subject")["layout"].agg(set).to_dict()
    assert layouts == {
        "": {""},
        "BRATS_001": {"msd"},
        "BraTS-GLI-00001-000": {"brats"},
        "IXI002-Guys-0828": {"ixi"},
        "sub-01": {"bids"},
    }
    registered = manifest.groupby("layout")["registered"].agg(set).to_dict()
    assert registered == {"": {""}, "brats": {"yes"}, "msd": {"yes"}, "ixi": {"no"}, "bids": {"yes"}}
    summary = summarise(manifest)
    assert summary["modalities"] == ["t1", "t1c", "t2", "flair", "pd"]
    assert (summary["refused_scans"], summary["unrecognised_files"]["count"]) == ([], 1)
