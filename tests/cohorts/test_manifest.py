"""Manifests of whole archives: sound, incomplete, faulty, and read back from CSV."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts import integrity
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest import (
    CSV_LOAD_ARGUMENTS,
    UNRECOGNISED,
    build_manifest,
    data_fingerprint,
    scan_path,
    summarise,
    usable,
    validate_manifest,
)

FIRST, SECOND = "BraTS-GLI-00001-000", "BraTS-GLI-00002-000"


def problems_of(manifest: pd.DataFrame, name: str) -> str:
    """Problems of the one row whose path ends so."""
    (text,) = manifest.loc[manifest["path"].str.endswith(name), "problems"]
    return text


def assert_refused(manifest: pd.DataFrame, name: str, *words: str) -> None:
    """The row's sentence starts with the file's name and contains these words."""
    text = problems_of(manifest, name)
    assert text.startswith(f"{name.split('/')[-1]}: ")
    for word in words:
        assert word in text


@pytest.fixture
def archive(tmp_path, write_brats):
    return write_brats(tmp_path / "raw")


def test_a_sound_archive_gives_one_sorted_row_per_file(archive):
    manifest = build_manifest("study", "brats", archive)
    assert len(manifest) == 10
    assert usable(manifest).equals(manifest)
    assert list(manifest["subject"]) == [FIRST] * 5 + [SECOND] * 5
    assert list(manifest["modality"][:5]) == ["flair", "seg", "t1", "t1c", "t2"]
    row = manifest.iloc[2]
    assert row["path"] == f"{FIRST}/{FIRST}-t1n.nii.gz"
    assert (row["cohort"], row["patient"], row["session"]) == ("study", "BraTS-GLI-00001", "000")
    assert (row["shape"], row["spacing_mm"], row["orientation"]) == ("10x11x12", "1.00x1.00x1.00", "LPS")


def test_ixi_rows_carry_the_site(tmp_path, write_ixi):
    manifest = build_manifest("ixi", "ixi", write_ixi(tmp_path))
    assert set(manifest["site"]) == {"Guys", "HH", "IOP"}
    assert set(manifest["modality"]) == {"t1", "t2", "pd"}


def test_scan_path_leads_to_the_file_from_any_kind_of_row(archive):
    manifest = build_manifest("study", "brats", archive)
    rows = [manifest.iloc[0], manifest.iloc[0].to_dict(), next(manifest.itertuples())]
    assert {scan_path(row) for row in rows} == {archive / FIRST / f"{FIRST}-t2f.nii.gz"}
    assert all(scan_path(row).is_file() for row in manifest.itertuples())


def test_a_relative_raw_directory_stays_relative(archive, monkeypatch):
    monkeypatch.chdir(archive.parent)
    manifest = build_manifest("study", "brats", "raw")
    assert set(manifest["raw_dir"]) == {"raw"}
    monkeypatch.chdir("/")
    assert scan_path(manifest.iloc[0], project_dir=archive.parent).is_file()


def test_equal_archives_give_equal_manifests_whatever_the_time_and_the_workers(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("mrisynth_pipeline.cohorts.scanning._WORTH_A_PROCESS", 1)
    first = build_manifest("study", "brats", archive)
    shutil.copytree(archive, tmp_path / "copy", copy_function=shutil.copyfile)  # new time stamps
    second = build_manifest("study", "brats", tmp_path / "copy", workers=2)
    pd.testing.assert_frame_equal(first.drop(columns="raw_dir"), second.drop(columns="raw_dir"))


def test_a_csv_brings_the_manifest_back_unchanged(archive):
    (archive / FIRST / f"{FIRST}-t1n.nii.gz").write_bytes(b"")  # NaN and a problem among the rows
    (archive / "strange.nii.gz").write_bytes(b"")
    manifest = build_manifest("study", "brats", archive)
    text = manifest.to_csv(index=False)
    pd.testing.assert_frame_equal(validate_manifest(pd.read_csv(io.StringIO(text), **CSV_LOAD_ARGUMENTS)), manifest)
    with pytest.raises(InputError, match=r"session.*CSV_LOAD_ARGUMENTS"):
        validate_manifest(pd.read_csv(io.StringIO(text)))  # session 000 became the number 0


def test_a_broken_scan_costs_only_itself(archive):
    (archive / FIRST / f"{FIRST}-t1n.nii.gz").write_bytes(b"")
    manifest = build_manifest("study", "brats", archive)
    assert_refused(manifest, f"{FIRST}-t1n.nii.gz", "empty", "Download or copy it again")
    assert len(usable(manifest)) == 9


@pytest.mark.parametrize("second", [f"{FIRST}/{FIRST}-t1n.nii", f"elsewhere/{FIRST}-t1n.nii.gz"])
def test_two_files_for_one_contrast_are_both_refused(archive, write_scan, second):
    write_scan(archive / second)
    manifest = build_manifest("study", "brats", archive)
    original = f"{FIRST}/{FIRST}-t1n.nii.gz"
    assert_refused(manifest, original, "more than once", f"also as {second}", "Keep one of these files")
    assert_refused(manifest, second, "more than once", f"also as {original}", "Keep one of these files")
    assert len(usable(manifest)) == 9


def test_one_scan_under_two_subjects_is_a_suspected_duplicate(archive):
    source, copy = (archive / name / f"{name}-t1c.nii.gz" for name in (FIRST, SECOND))
    shutil.copyfile(source, copy)
    manifest = build_manifest("study", "brats", archive)
    for mine, other in ((source, copy), (copy, source)):
        assert_refused(manifest, mine.name, other.name, "suspected duplicate subject", "Find out whose scan it is")
    assert len(usable(manifest)) == 8


def test_one_contrast_copied_over_another_is_refused(archive):
    shutil.copyfile(archive / FIRST / f"{FIRST}-t1n.nii.gz", archive / FIRST / f"{FIRST}-t1c.nii.gz")
    manifest = build_manifest("study", "brats", archive)
    assert_refused(manifest, f"{FIRST}-t1n.nii.gz", f"same content as {FIRST}/{FIRST}-t1c", "which contrast it is")
    assert_refused(manifest, f"{FIRST}-t1c.nii.gz", f"same content as {FIRST}/{FIRST}-t1n", "which contrast it is")


def test_empty_files_are_not_taken_for_duplicates_of_each_other(archive):
    for subject in (FIRST, SECOND):
        (archive / subject / f"{subject}-t1n.nii.gz").write_bytes(b"")
    assert "same content" not in problems_of(build_manifest("study", "brats", archive), f"{FIRST}-t1n.nii.gz")


def test_patients_without_a_tumour_may_share_an_empty_label_map(archive, write_scan):
    for subject in (FIRST, SECOND):
        write_scan(archive / subject / f"{subject}-seg.nii.gz", np.zeros((10, 11, 12), np.uint8))
        # nibabel writes no time stamp, so that these two files are equal
    manifest = build_manifest("study", "brats", archive)
    label_maps = manifest[manifest["modality"] == "seg"]
    assert label_maps["sha256"].nunique() == 1
    assert len(usable(label_maps)) == 2


@pytest.mark.parametrize(
    ("shape", "affine"),
    [((10, 11, 13), np.diag([-1.0, -1, 1, 1])), ((10, 11, 12), np.diag([-1.0, -1, 1.5, 1]))],
    ids=["other shape", "other place"],
)
def test_a_label_map_on_a_grid_of_its_own_is_refused(archive, write_scan, shape, affine):
    path = archive / FIRST / f"{FIRST}-seg.nii.gz"
    write_scan(path, np.ones(shape, np.uint8), affine)
    manifest = build_manifest("study", "brats", archive)
    assert_refused(manifest, path.name, f"that of no scan of {FIRST}", "10x11x12", "nearest neighbour")
    assert len(usable(manifest)) == 9


def test_a_label_map_needs_to_fit_only_one_scan(archive, write_scan):
    for suffix in ("t1n", "t1c", "t2w"):
        write_scan(archive / FIRST / f"{FIRST}-{suffix}.nii.gz", affine=np.diag([-2.0, -2, 2, 1]))
    assert problems_of(build_manifest("study", "brats", archive), f"{FIRST}-seg.nii.gz") == ""


def test_label_value_4_is_refused_where_it_is_not_enhancing_tumour(archive, write_scan):
    path = write_scan(archive / FIRST / f"{FIRST}-seg.nii.gz", np.full((10, 11, 12), 4, np.uint8))
    assert_refused(build_manifest("study", "brats", archive), path.name, "unknown label values 4", "Relabel it")


def test_a_subject_without_a_usable_scan_loses_its_label_map_too(archive):
    for suffix in ("t1n", "t1c", "t2w", "t2f"):
        (archive / FIRST / f"{FIRST}-{suffix}.nii.gz").write_bytes(b"")
    manifest = build_manifest("study", "brats", archive)
    assert set(usable(manifest)["subject"]) == {SECOND}
    assert_refused(manifest, f"{FIRST}-seg.nii.gz", f"{FIRST} has no usable scan", "Mend its scans first")
    assert summarise(manifest)["subjects_without_usable_scan"] == [FIRST]


def test_missing_contrasts_and_label_maps_are_no_problem(archive):
    (archive / FIRST / f"{FIRST}-t2f.nii.gz").unlink()
    (archive / SECOND / f"{SECOND}-seg.nii.gz").unlink()
    manifest = build_manifest("study", "brats", archive)
    assert len(usable(manifest)) == 8
    assert summarise(manifest)["incomplete_subjects"] == {FIRST: ["flair"]}


def test_unrecognised_files_are_rows_with_a_reason(archive, write_scan, caplog):
    write_scan(archive / FIRST / "t1_copy.nii.gz")
    manifest = build_manifest("study", "brats", archive)
    assert_refused(manifest, f"{FIRST}/t1_copy.nii.gz", "names like BraTS-GLI", "Rename it")
    assert list(manifest.loc[manifest["modality"] == UNRECOGNISED, "subject"]) == [""]
    assert list(manifest["subject"]) == sorted(manifest["subject"])
    assert "1 files with unrecognised names" in caplog.text


def test_modalities_choose_what_is_read(archive):
    (archive / FIRST / f"{FIRST}-t2f.nii.gz").write_bytes(b"")  # would be a problem if it were looked at
    manifest = build_manifest("study", "brats", archive, modalities=("t1", "t2"))
    assert set(manifest["modality"]) == {"t1", "t2", "seg"}
    assert (manifest["problems"] == "").all()


def test_angiograms_and_diffusion_scans_of_ixi_are_left_out_by_choice(tmp_path, write_ixi, write_scan):
    write_ixi(tmp_path)
    write_scan(tmp_path / "IXI-MRA" / "IXI002-Guys-0828-MRA.nii.gz")
    for number in ("00", "01"):
        write_scan(tmp_path / "IXI-DTI" / f"IXI002-Guys-0828-DTI-{number}.nii.gz")
    assert set(build_manifest("ixi", "ixi", tmp_path)["modality"]) == {"t1", "t2", "pd"}


def test_a_contrast_of_another_layout_is_refused(archive):
    with pytest.raises(InputError, match=r"cohort\.modalities: 'pd' is no contrast of the brats layout.*flair"):
        build_manifest("study", "brats", archive, modalities=("t1", "pd"))


def test_a_contrast_that_nobody_has_is_a_forgotten_download(tmp_path, write_ixi):
    shutil.rmtree(write_ixi(tmp_path) / "IXI-PD")
    with pytest.raises(InputError, match=r"no subject has a pd scan.*cohort\.modalities to those present: t1\+t2"):
        build_manifest("ixi", "ixi", tmp_path)


def test_an_archive_without_any_usable_scan_is_an_error_with_the_first_reasons(archive):
    for path in archive.rglob("*.nii.gz"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=rf"none of 8 scans is usable: {FIRST}-t2f.nii.gz: the file is empty"):
        build_manifest("study", "brats", archive)


def test_zero_workers_are_refused(archive):
    with pytest.raises(InputError, match=r"workers: 0 is no number"):
        build_manifest("study", "brats", archive, workers=0)


def test_a_journal_saves_decoding_and_changes_nothing(archive, write_scan, monkeypatch, tmp_path):
    path = archive / SECOND / f"{SECOND}-t2w.nii.gz"
    path.write_bytes(b"")
    journal = tmp_path / "work" / "checks.jsonl"
    build_manifest("study", "brats", archive, journal=journal)
    write_scan(path)  # mended
    write_scan(archive / FIRST / f"{FIRST}-t1n.nii.gz", np.full((10, 11, 12), 3, np.int16))  # broken since
    expected = build_manifest("study", "brats", archive)

    decoded = []
    original = integrity._container_fault
    monkeypatch.setattr(integrity, "_container_fault", lambda path: decoded.append(path.name) or original(path))
    pd.testing.assert_frame_equal(build_manifest("study", "brats", archive, journal=journal), expected)
    assert sorted(decoded) == [f"{FIRST}-t1n.nii.gz", path.name]


def test_the_schema_refuses_strange_columns_and_incomplete_rows(archive):
    manifest = build_manifest("study", "brats", archive)
    with pytest.raises(InputError, match=r"manifest: breaks its schema.*colour"):
        validate_manifest(manifest.assign(colour="red"))
    with pytest.raises(InputError, match=r"a row without problems must name"):
        validate_manifest(manifest.assign(sha256=""))
    with pytest.raises(InputError, match=r"shape"):
        validate_manifest(manifest.assign(shape="10 x 10"))


def test_the_summary_counts_and_is_json(tmp_path, write_brats, write_scan):
    raw_dir = write_brats(tmp_path, ("BraTS-GLI-00001-000", "BraTS-GLI-00001-001", "BraTS-GLI-00002-000"))
    (raw_dir / SECOND / f"{SECOND}-t1n.nii.gz").write_bytes(b"")
    (raw_dir / SECOND / f"{SECOND}-seg.nii.gz").unlink()
    write_scan(raw_dir / "strange.nii.gz")
    manifest = build_manifest("study", "brats", raw_dir)
    summary = summarise(manifest)
    assert json.loads(json.dumps(summary)) == summary
    assert summary.pop("spare_scans") == []
    (refused,) = summary.pop("refused_scans")
    assert refused["path"] == f"{SECOND}/{SECOND}-t1n.nii.gz"
    assert "Download or copy it again" in refused["problems"]
    assert summary == {
        "cohort": "study",
        "subjects": 3,
        "patients": 2,
        "modalities": ["t1", "t1c", "t2", "flair"],
        "complete_subjects": 2,
        "incomplete_subjects": {SECOND: ["t1"]},
        "subjects_without_usable_scan": [],
        "scans_per_modality": {"t1": 2, "t1c": 3, "t2": 3, "flair": 3},
        "label_maps": 2,
        "withheld_scans": {},
        "unrecognised_files": {"count": 1, "examples": ["strange.nii.gz"]},
        "subjects_per_site": {"": 3},
        "spacing_range_mm": {name: [1.0, 1.0] for name in ("flair", "t1", "t1c", "t2")},
        "patients_with_several_time_points": {"BraTS-GLI-00001": ["BraTS-GLI-00001-000", "BraTS-GLI-00001-001"]},
        "fingerprint": data_fingerprint(manifest),
    }


def test_the_fingerprint_follows_the_data_and_nothing_else(archive, tmp_path, write_scan):
    fingerprint = data_fingerprint(build_manifest("study", "brats", archive))
    moved = tmp_path / "flat"
    moved.mkdir()
    for path in archive.rglob("*.nii.gz"):
        shutil.copyfile(path, moved / path.name)
    assert data_fingerprint(build_manifest("other", "brats", moved)) == fingerprint

    t1, t2 = moved / f"{FIRST}-t1n.nii.gz", moved / f"{FIRST}-t2w.nii.gz"
    first, second = t1.read_bytes(), t2.read_bytes()
    t1.write_bytes(second), t2.write_bytes(first)  # same bytes, roles exchanged
    assert data_fingerprint(build_manifest("other", "brats", moved)) != fingerprint
