"""Every oddity of an archive is named, and a sound archive has none."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.findings import KINDS, find_oddities
from mrisynth_pipeline.cohorts.manifest import build_manifest

NUMBER = 12
USUAL = np.diag([1.0, 1.0, 1.2, 1.0])


def head(seed: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).uniform(50, 100, (12, 12, 12)) * scale).astype(np.float32)


@pytest.fixture
def archive(tmp_path):
    """Twelve volunteers in the IXI layout, T1 and T2; ``write`` replaces a scan."""

    def write(number, contrast, voxels=None, affine=None, site="Guys"):
        path = tmp_path / f"IXI{number:03d}-{site}-{700 + number:04d}-{contrast}.nii.gz"
        seed = 2 * number + (contrast == "T2")
        image = nib.Nifti1Image(
            head(seed) if voxels is None else voxels, np.diag([1.0, 1, 1.2, 1]) if affine is None else affine
        )
        nib.save(image, path)
        return path

    for number in range(NUMBER):
        write(number, "T1")
        write(number, "T2")
    write.folder = tmp_path
    return write


def findings_of(write) -> pd.DataFrame:
    return find_oddities(build_manifest("ixi", "ixi", write.folder, ("t1", "t2")))


def only(findings: pd.DataFrame, kind: str) -> pd.Series:
    rows = findings[findings["kind"] == kind]
    assert len(rows) == 1, findings
    return rows.iloc[0]


def test_a_sound_archive_has_no_findings(archive):
    assert findings_of(archive).empty


def test_a_missing_contrast_is_named(archive):
    next(archive.folder.glob("IXI003-*-T2.nii.gz")).unlink()
    row = only(findings_of(archive), "incomplete")
    assert row["subject"].startswith("IXI003")
    assert row["finding"] == "without T2: it goes on with the others"


def test_a_subject_without_any_sound_scan_is_lost(archive):
    for path in archive.folder.glob("IXI003-*"):
        path.write_bytes(b"")
    assert "no usable scan is left" in only(findings_of(archive), "incomplete")["finding"]


def test_other_voxel_sizes_stand_out_but_not_other_axis_orders(archive):
    archive(1, "T1", affine=np.diag([1.0, 1, 3.6, 1]))
    archive(2, "T1", affine=np.diag([1.2, 1.0, 1.0, 1]))
    row = only(findings_of(archive), "spacing")
    assert row["subject"].startswith("IXI001")
    assert "1.00x1.00x3.60" in row["finding"]


def test_a_rescaled_scan_stands_out(archive):
    archive(4, "T2", voxels=head(9, scale=1 / 200))
    row = only(findings_of(archive), "intensity")
    assert (row["subject"][:6], row["modality"]) == ("IXI004", "t2")


def test_a_rare_orientation_stands_out(archive):
    for number in range(NUMBER, 24):
        archive(number, "T1")
        archive(number, "T2")
    archive(5, "T1", affine=np.diag([-1.0, 1, 1.2, 1]))
    row = only(findings_of(archive), "orientation")
    assert row["subject"].startswith("IXI005")
    assert "stored as LAS, most as RAS" in row["finding"]


def test_few_scans_have_no_outliers(tmp_path, archive):
    for path in archive.folder.glob("IXI0*"):
        if int(path.name[3:6]) >= 4:
            path.unlink()
    archive(1, "T1", affine=np.diag([1.0, 1, 4.0, 1]))
    assert findings_of(archive).empty


def test_sform_and_qform_that_disagree_are_a_header_finding(archive):
    path = archive(6, "T1")
    image = nib.load(path)
    mirrored = np.diag([-1.0, 1, 1.2, 1])
    image = nib.Nifti1Image(np.asarray(image.dataobj), None, image.header)
    image.set_sform(np.diag([1.0, 1, 1.2, 1]), code=1)
    image.set_qform(mirrored, code=1)
    nib.save(image, path)
    finding = only(findings_of(archive), "header")["finding"]
    assert "22.0 mm apart" in finding
    assert "disagree about left and right" in finding


def test_scans_far_from_each_other_are_a_header_finding(archive):
    away = np.diag([1.0, 1, 1.2, 1])
    away[0, 3] = 400
    archive(6, "T1", affine=away)
    findings = findings_of(archive)
    assert set(findings["kind"]) == {"header"}
    assert findings["finding"].str.contains("400 mm away").all()  # two scans: either may be the wrong one


def test_duplicates_and_repeated_patients_have_kinds_of_their_own(archive, tmp_path):
    (archive.folder / "IXI000-Guys-0700-T1.nii.gz").write_bytes(
        (archive.folder / "IXI001-Guys-0701-T1.nii.gz").read_bytes()
    )
    for contrast in ("T1", "T2"):
        archive(7, contrast, voxels=head(100 + len(contrast) + (contrast == "T2")), site="HH")
    findings = findings_of(archive)
    assert (findings["kind"] == "duplicate").sum() == 2
    assert "2 time points of IXI007" in only(findings, "repeated")["finding"]
    assert list(findings["kind"].map(list(KINDS).index)) == sorted(findings["kind"].map(list(KINDS).index))


def test_a_stripped_scan_with_too_little_tissue_is_implausible(tmp_path):
    for contrast in ("t1", "t1ce", "t2", "flair"):
        voxels = np.zeros((20, 20, 20), np.float32)
        voxels[5:15, 5:15, 5:15] = head(len(contrast))[:10, :10, :10]
        voxels[0, 0, 0] = len(contrast) + ord(contrast[-1])
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / f"BraTS2021_00001_{contrast}.nii.gz")
    findings = find_oddities(build_manifest("brats", "brats", tmp_path))
    assert set(findings["kind"]) == {"tissue"}
    assert findings["finding"].str.startswith("1 mL above 0").all()


def test_spare_scans_and_those_that_stepped_in_are_told(tmp_path):
    for number, name in enumerate(("run-1", "run-2", "run-3")):
        nib.save(nib.Nifti1Image(head(number), USUAL), tmp_path / f"sub-01_{name}_T1w.nii.gz")
    (tmp_path / "sub-01_run-1_T1w.nii.gz").write_bytes(b"")
    findings = find_oddities(build_manifest("bids", "bids", tmp_path))
    spare = findings[findings["kind"] == "spare"]
    assert list(spare["file"].str[7:12]) == ["run-2", "run-3"]
    assert "is used instead of sub-01_run-1_T1w.nii.gz" in spare["finding"].iloc[0]
    assert only(findings, "refused")["file"] == "sub-01_run-1_T1w.nii.gz"


def test_where_and_how_a_probe_was_held_is_no_oddity(tmp_path):
    for number in range(24):
        case = f"Case{number:03d}"
        held = np.diag([-1.0 if number == 5 else 1.0, 1, 1.2, 1])
        held[0, 3] = 300
        for name, affine in (("preop-MR-3D_AX_T2_SPACE", USUAL), ("intraop-US-pre_dura", held)):
            image = nib.Nifti1Image(head(100 * number + len(name)), affine)
            nib.save(image, tmp_path / f"{case}-{name}.nii.gz")
    assert find_oddities(build_manifest("remind", "remind", tmp_path, ("us", "t2"))).empty
