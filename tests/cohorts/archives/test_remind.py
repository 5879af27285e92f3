"""ReMIND: which of many series is taken, and the transforms that come with them."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.cohorts.archives.layouts import LAYOUTS, find_scans, study_modalities
from mrisynth_pipeline.cohorts.archives.scan_files import IDENTITY
from mrisynth_pipeline.cohorts.errors import InputError
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
    fan = generator.integers(0, 255, (9, 10, 11)).astype(np.uint8)
    write(case / "Intraop-US" / "Case001-intraop-US-pre_dura.nrrd", fan)
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
    assert scans["3D_AX_T1_postcontrast"].transform == (moving[0],)
    assert scans["2D_AX_T2_FLAIR"].transform == (moving[1],)
    assert used(scans.values())["flair"] == "3D_SAG_T2_FLAIR", "resolution counts for more than a transform"
    assert scans["3D_AX_T2_SPACE"].transform == ""


def test_the_reference_of_most_series_is_the_shared_space(archive):
    stray = write_transform(archive, "3D_AX_T2_SPACE", "3D_AX_T1_postcontrast")
    for name in ("3D_AX_T1_postcontrast", "3D_SAG_T2_FLAIR"):
        write_transform(archive, "3D_SAG_T2_SPACE", name, kind="elsewhere")
    scans = {scan.path.stem.split("-MR-")[-1]: scan for scan in find_scans("remind", archive)}
    assert scans["3D_SAG_T2_SPACE"].transform == IDENTITY
    assert scans["3D_AX_T2_SPACE"].transform == ""
    assert scans["3D_AX_T1_postcontrast"].transform not in ("", (stray,))


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


class TestUltrasound:
    """The sweep before the dura was opened is the space that everything is led to, if the study asks for it."""

    WITH_US = ("us", "t2", "t1c", "flair")

    @pytest.fixture
    def led(self, archive):
        """T1Gd and FLAIR lead to the sagittal T2, and that to the ultrasound."""
        to_t2 = {
            name: write_transform(archive, "3D_SAG_T2_SPACE", name)
            for name in ("3D_AX_T1_postcontrast", "3D_SAG_T2_FLAIR")
        }
        return archive, to_t2, self.to_ultrasound(archive, "3D_SAG_T2_SPACE")

    @staticmethod
    def to_ultrasound(archive, moving):
        path = archive / "affine" / f"Case001-Case001-intraop-US-pre_dura-to-Case001-preop-MR-{moving}.tfm"
        path.parent.mkdir(exist_ok=True)
        stretched = sitk.AffineTransform((1.02, 0, 0, 0, 0.98, 0, 0, 0, 1.0), (4.0, 5.0, 6.0))
        sitk.WriteTransform(stretched, str(path))
        return path

    def test_ways_of_two_files_end_at_the_ultrasound(self, led):
        archive, to_t2, to_us = led
        scans = {scan.path.stem.split("-MR-")[-1]: scan for scan in find_scans("remind", archive)}
        assert scans["Case001-intraop-US-pre_dura"].transform == IDENTITY
        assert scans["3D_SAG_T2_SPACE"].transform == (to_us,)
        for name, path in to_t2.items():
            assert scans[name].transform == (path, to_us)
        assert scans["2D_AX_T2_BLADE"].transform == ""

    def test_the_manifest_lists_the_files_in_their_order(self, led):
        archive, _, _ = led
        manifest = build_manifest("study", "remind", archive, self.WITH_US)
        rows = manifest[manifest["spare"] == ""].set_index("modality")
        first, second = rows.loc["t1c", "transform"].split("|")
        assert first.startswith("rigid/Case001/")
        assert second == rows.loc["t2", "transform"]
        assert rows.loc["us", "transform"] == "identity"

    def test_a_study_without_it_depends_on_nothing_that_leads_to_it(self, led):
        archive, to_t2, _ = led
        manifest = build_manifest("study", "remind", archive)
        rows = manifest[manifest["spare"] == ""].set_index("modality")
        assert "us" not in rows.index
        assert rows.loc["t2", "transform"] == "identity"
        assert rows.loc["flair", "transform"] == to_t2["3D_SAG_T2_FLAIR"].relative_to(archive).as_posix()

    def test_an_ultrasound_alone_is_led_to_as_well(self, archive):
        to_us = self.to_ultrasound(archive, "3D_AX_T2_SPACE")
        scans = {scan.path.stem.split("-MR-")[-1]: scan for scan in find_scans("remind", archive)}
        assert scans["3D_AX_T2_SPACE"].transform == (to_us,)
        assert used(scans.values())["t2"] == "3D_AX_T2_SPACE"

    @pytest.mark.parametrize("series", ["post_dura", "pre_imri"])
    def test_later_sweeps_are_left_out(self, archive, series):
        early = archive / "Case001" / "Intraop-US" / "Case001-intraop-US-pre_dura.nrrd"
        late = early.with_name(f"Case001-intraop-US-{series}.nrrd")
        early.rename(late)
        (scan,) = (scan for scan in find_scans("remind", archive) if scan.path == late)
        assert scan.modality == "intraop-us"
        with pytest.raises(InputError, match="no subject has a us scan"):
            build_manifest("study", "remind", archive, self.WITH_US)

    def test_other_archives_know_of_none(self, archive):
        for kind in ("bids", "mixed", "brats", "ixi", "msd"):
            assert "us" not in LAYOUTS[kind].modalities
        with pytest.raises(InputError, match="'us' is no contrast of the mixed layout"):
            study_modalities("mixed", archive, ("us", "t2"))
        assert study_modalities("mixed", archive) == study_modalities("remind", archive) == ("t1c", "t2", "flair")
        with pytest.raises(InputError, match="Use some of: t1, t1c, t2, flair, pd, us"):
            study_modalities("remind", archive, ("dwi",))
