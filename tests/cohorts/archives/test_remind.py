"""ReMIND: which of many series is taken, and the transforms that come with them."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.cohorts.archives.layouts import find_scans
from mrisynth_pipeline.cohorts.archives.scan_files import IDENTITY
from mrisynth_pipeline.cohorts.manifest import build_manifest, summarise

SERIES = (
    *("3D_SAG_T2_SPACE", "3D_AX_T2_SPACE", "2D_AX_T2_BLADE", "3D_AX_T1_postcontrast", "3D_SAG_T1_postcontrast"),
    *("2D_AX_T2_FLAIR", "3D_SAG_T2_FLAIR"),
)


def write_transform(root, reference, moving, case="Case001", kind="rigid"):
    path = root / kind / case / f"{case}-{case}-preop-MR-{reference}-to-{case}-preop-MR-{moving}.tfm"
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteTransform(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, 0.0, 0.0, (1.0, 2.0, 3.0)), str(path))
    return path


@pytest.fixture
def archive(tmp_path):
    """One case in NRRD: seven series, ultrasound and an outline, each on a grid of its own."""
    generator = np.random.default_rng(0)

    def write(path, values):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((1.0, 1.0, 1.0 + 0.1 * len(path.name)))
        sitk.WriteImage(image, str(path), useCompression=True)

    case = tmp_path / "raw" / "Case001"
    for series in SERIES:
        voxels = generator.integers(0, 900, (9, 10, 11)).astype(np.int16)
        write(case / "Preop-MR" / f"Case001-preop-MR-{series}.nrrd", voxels)
    write(case / "Intraop-US" / "Case001-intraop-US-pre_dura.nrrd", np.ones((9, 10, 11), np.uint8))
    outline = generator.integers(0, 2, (9, 10, 11)).astype(np.uint8)
    write(case / "Annotations" / "Case001-preop-SEG-tumor-MR-3D_AX_T2_SPACE.nrrd", outline)
    return tmp_path / "raw"


def used(scans):
    return {
        scan.modality: scan.path.stem.split("-MR-")[1] for scan in scans if not scan.spare and "-MR-" in scan.path.stem
    }


def test_3d_before_2d_and_axial_before_sagittal(archive):
    scans = [scan for scan in find_scans("remind", archive) if scan.modality in ("t1c", "t2", "flair")]
    assert used(scans) == {"t2": "3D_AX_T2_SPACE", "t1c": "3D_AX_T1_postcontrast", "flair": "3D_SAG_T2_FLAIR"}
    spare = next(scan.spare for scan in scans if scan.path.stem.endswith("2D_AX_T2_BLADE"))
    assert spare == "a second t2 of Case001: Case001-preop-MR-3D_AX_T2_SPACE.nrrd is used"


def test_a_series_with_a_shipped_transform_is_preferred_and_the_reference_needs_none(archive):
    moving = [write_transform(archive, "3D_SAG_T2_SPACE", name) for name in ("3D_AX_T1_postcontrast", "2D_AX_T2_FLAIR")]
    scans = {scan.path.stem.split("-MR-")[-1]: scan for scan in find_scans("remind", archive)}
    assert used(scans.values())["t2"] == "3D_SAG_T2_SPACE"
    assert scans["3D_SAG_T2_SPACE"].transform == IDENTITY
    assert scans["3D_AX_T1_postcontrast"].transform == moving[0]
    assert scans["2D_AX_T2_FLAIR"].transform == moving[1]
    assert used(scans.values())["flair"] == "3D_SAG_T2_FLAIR", "resolution counts for more than a transform"
    assert scans["3D_AX_T2_SPACE"].transform == ""


def test_the_reference_of_most_series_is_the_shared_space(archive):
    stray = write_transform(archive, "3D_AX_T2_SPACE", "3D_AX_T1_postcontrast")
    for name in ("3D_AX_T1_postcontrast", "3D_SAG_T2_FLAIR"):
        write_transform(archive, "3D_SAG_T2_SPACE", name, kind="elsewhere")
    scans = {scan.path.stem.split("-MR-")[-1]: scan for scan in find_scans("remind", archive)}
    assert scans["3D_SAG_T2_SPACE"].transform == IDENTITY
    assert scans["3D_AX_T2_SPACE"].transform == ""
    assert scans["3D_AX_T1_postcontrast"].transform not in ("", stray)


def test_transforms_of_one_case_do_not_serve_another(archive):
    write_transform(archive, "3D_SAG_T2_SPACE", "3D_AX_T1_postcontrast", case="Case002")
    assert {scan.transform for scan in find_scans("remind", archive)} == {""}


def test_the_manifest_lists_spare_series_without_calling_them_refused(archive, caplog):
    write_transform(archive, "3D_SAG_T2_SPACE", "3D_AX_T1_postcontrast")
    manifest = build_manifest("study", "remind", archive)
    assert set(manifest["modality"]) == {"t1c", "t2", "flair"}, "ultrasound and outlines are left out"
    assert "refused" not in caplog.text
    summary = summarise(manifest)
    assert summary["refused_scans"] == []
    assert sorted(row["path"].split("-MR-")[1] for row in summary["spare_scans"]) == [
        *("2D_AX_T2_BLADE.nrrd", "2D_AX_T2_FLAIR.nrrd", "3D_AX_T2_SPACE.nrrd", "3D_SAG_T1_postcontrast.nrrd")
    ]
    assert summary["scans_per_modality"] == {"t1c": 1, "t2": 1, "flair": 1}
    rows = manifest[manifest["spare"] == ""].set_index("modality")
    assert rows.loc["t2", "transform"] == "identity"
    assert rows.loc["t1c", "transform"].startswith("rigid/Case001/Case001-Case001-preop-MR-3D_SAG_T2_SPACE-to-")
    assert rows.loc["flair", "transform"] == ""
    assert set(manifest["registered"]) == {"no"}


def test_a_broken_spare_is_not_a_fault(archive, caplog):
    (archive / "Case001" / "Preop-MR" / "Case001-preop-MR-2D_AX_T2_BLADE.nrrd").write_bytes(b"")
    manifest = build_manifest("study", "remind", archive)
    (problem,) = manifest.loc[manifest["path"].str.contains("BLADE"), "problems"]
    assert problem.endswith("Nothing needs doing, to use this one, take the other away")
    assert summarise(manifest)["refused_scans"] == []
    assert "refused" not in caplog.text
