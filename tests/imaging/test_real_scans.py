"""Real patients, where a copy is at hand: MRISYNTH_REAL_DATA names the folder with ``ms_bids`` and ``brats2021``."""

import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.spatial.transform import Rotation

from mrisynth_pipeline.imaging.brain_extraction import brain_mask
from mrisynth_pipeline.imaging.geometry import grid_of, image_on, ras_matrix
from mrisynth_pipeline.imaging.masks import head_mask
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.registration.doubts import doubts
from mrisynth_pipeline.imaging.registration.search import Registration
from mrisynth_pipeline.imaging.registration.starts import mirrored
from mrisynth_pipeline.imaging.scan import read_scan
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject

ROOT = os.environ.get("MRISYNTH_REAL_DATA")
pytestmark = pytest.mark.skipif(ROOT is None, reason="MRISYNTH_REAL_DATA is not set: no real scans to try")


NAMES = {"t1": "T1w", "t2": "T2w", "flair": "FLAIR"}
ONTO_FLAIR = PreprocessingParameters(reference_preference=("flair", "t1", "t2"))


def raw_scans(patient):
    folder = Path(ROOT) / "ms_bids" / patient / "anat"
    return {name: ScanSource(folder / f"{patient}_{suffix}.nii.gz", "") for name, suffix in NAMES.items()}


def published(patient, name):
    path = Path(ROOT) / "ms_bids/derivatives/transforms" / patient / f"{NAMES[name]}_to_FLAIR.txt"
    return sitk.ReadTransform(str(path))


@pytest.mark.parametrize("patient", ["sub-raw03", "sub-raw12"])
def test_thick_slices_as_from_the_scanner_agree_with_the_published_transforms(patient):
    subject = preprocess_subject(patient, raw_scans(patient), ("t1", "t2", "flair"), ONTO_FLAIR, False)
    head = head_mask(read_scan(raw_scans(patient)["flair"].path).image)
    points = np.argwhere(sitk.GetArrayViewFromImage(head))[::500, ::-1]
    points = nib.affines.apply_affine(grid_of(head).affine, points)
    for name in ("t1", "t2"):
        known = nib.affines.apply_affine(ras_matrix(published(patient, name)), points)
        found = nib.affines.apply_affine(subject.transforms[name], points)
        assert np.linalg.norm(found - known, axis=1).mean() < 1.0, name
        assert subject.quality[f"tries_{name}"] == 1
        assert subject.quality[f"information_after_{name}"] > 1.3 * subject.quality[f"information_mirrored_{name}"]
    assert subject.quality["warnings"] == ""
    assert 1200 < subject.quality["mask_ml"] < 1900


def test_transforms_that_came_with_the_scans_are_taken(tmp_path):
    scans = raw_scans("sub-raw03")
    scans["flair"] = replace(scans["flair"], transform="identity")
    for name in ("t1", "t2"):
        path = tmp_path / f"{name}.tfm"
        sitk.WriteTransform(published("sub-raw03", name).GetInverse(), str(path))
        scans[name] = replace(scans[name], transform=str(path))
    subject = preprocess_subject("a", scans, ("t1", "t2", "flair"), ONTO_FLAIR, False)
    for name in ("t1", "t2"):
        np.testing.assert_allclose(subject.transforms[name], ras_matrix(published("sub-raw03", name)), atol=1e-6)
        assert subject.quality[f"tries_{name}"] == 0
    assert subject.quality["warnings"] == ""


class TestNothingFailsInSilence:
    @pytest.fixture(scope="class")
    def registration(self):
        reference = read_scan(raw_scans("sub-raw12")["flair"].path).image
        return Registration(reference, brain_mask(reference), ONTO_FLAIR.registration)

    @pytest.mark.parametrize("name", ["t1", "t2"])
    def test_a_mirrored_header_is_told(self, registration, name):
        found = registration.align(mirrored(read_scan(raw_scans("sub-raw12")[name].path).image))
        assert any("fits better mirrored" in clause for clause in doubts(found, ONTO_FLAIR.registration))

    @pytest.mark.parametrize("name", ["t1", "t2"])
    def test_another_patient_is_told(self, registration, name):
        found = registration.align(read_scan(raw_scans("sub-raw03")[name].path).image)
        words = " ".join(doubts(found, ONTO_FLAIR.registration))
        assert "fits no better than its mirror image" in words or "shares little" in words

    def test_forty_millimetres_and_thirty_degrees_are_found(self, registration):
        image = read_scan(raw_scans("sub-raw12")["t1"].path).image
        away = np.eye(4)
        away[:3, :3] = Rotation.from_rotvec([18, 15, -19], degrees=True).as_matrix()
        away[:3, 3] = (25, -25, 19)
        moved = image_on(sitk.GetArrayFromImage(image), away @ grid_of(image).affine)
        error = registration.align(moved).matrix - away @ ras_matrix(published("sub-raw12", "t1"))
        points = registration._points[::50]
        assert np.linalg.norm(points @ error[:3, :3].T + error[:3, 3], axis=1).mean() < 1.0


def test_a_patients_brain_lies_on_the_template():
    parameters = ONTO_FLAIR.model_copy(update={"space": "mni"})
    subject = preprocess_subject("a", raw_scans("sub-raw12"), ("t1", "t2", "flair"), parameters, False)
    assert subject.quality["overlap_mni"] > 0.95
    between = subject.transforms["t1"] @ np.linalg.inv(subject.transforms["flair"])
    np.testing.assert_allclose(between[:3, :3] @ between[:3, :3].T, np.eye(3), atol=1e-6)


def test_brats_at_its_own_voxel_size_is_a_crop():
    folder = Path(ROOT) / "brats2021" / "BraTS2021_01479"
    names = {"t1": "t1", "t1c": "t1ce", "seg": "seg"}
    scans = {name: ScanSource(folder / f"{folder.name}_{suffix}.nii.gz", "") for name, suffix in names.items()}
    grid = GridParameters(size=(160, 192, 160), spacing_mm=(1, 1, 1))
    subject = preprocess_subject("a", scans, ("t1", "t1c"), PreprocessingParameters(grid=grid), True)
    raw = nib.as_closest_canonical(nib.load(scans["t1"].path)).get_fdata(dtype=np.float32)
    labels = np.asarray(nib.load(scans["seg"].path).dataobj)
    assert (subject.segmentation == 3).sum() == (labels == 4).sum() > 0
    low, high = subject.intensity["t1"]["scanner"]
    first = np.rint(np.linalg.inv(nib.as_closest_canonical(nib.load(scans["t1"].path)).affine) @ subject.grid_affine)
    x, y, z = np.maximum(first[:3, 3].astype(int), 0)
    dx, dy, dz = np.maximum(-first[:3, 3].astype(int), 0)
    cropped = raw[x : x + 160 - dx, y : y + 192 - dy, z : z + 160 - dz].transpose(2, 1, 0)
    back = subject.volumes[0].astype(np.float32)[dz:, dy:, dx:]
    back = back[: cropped.shape[0], : cropped.shape[1], : cropped.shape[2]]
    inside = (cropped > low) & (cropped < high)
    assert np.abs(back[inside] * (high - low) + low - cropped[inside]).max() < 0.001 * (high - low)
