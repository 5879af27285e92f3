import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.imaging.geometry import grid_of, image_on
from mrisynth_pipeline.imaging.parameters import RegistrationParameters
from mrisynth_pipeline.imaging.registration import Registration
from mrisynth_pipeline.imaging.scan import read_scan

LEVELS = RegistrationParameters()


@pytest.fixture(scope="module")
def prepared(heads):
    """The first patient: scans, a registration onto t1c measured inside the true brain."""
    subject = heads.subjects[0]
    images = {name: read_scan(path).image for name, path in heads.scans(subject).items() if name != "seg"}
    brain = sitk.Cast(read_scan(heads.truth(subject) / "brain.nii.gz").image, sitk.sitkUInt8)
    return subject, images, Registration(images["t1c"], brain, LEVELS)


def mean_error_mm(found, true, points):
    return np.linalg.norm(
        nib.affines.apply_affine(found, points) - nib.affines.apply_affine(true, points), axis=1
    ).mean()


@pytest.mark.parametrize("contrast", ["t1", "t2", "flair"])
def test_known_motion_is_found_to_a_quarter_of_a_voxel(heads, prepared, contrast):
    subject, images, registration = prepared
    found = registration.align(images[contrast])
    true, points = heads.motion(subject, "t1c", contrast), heads.brain_points(subject, "t1c")
    assert mean_error_mm(np.eye(4), true, points) > 2.0  # there was something to find
    assert mean_error_mm(found.matrix, true, points) < 0.25 * 3.0
    assert found.information_after > 1.5 * found.information_before
    angle = np.degrees(np.arccos((np.trace(true[:3, :3]) - 1) / 2))
    assert found.rotation_deg == pytest.approx(angle, abs=0.5)


def test_scans_of_another_session_are_found_by_their_mass(heads, prepared):
    subject, images, registration = prepared
    moved = image_on(sitk.GetArrayFromImage(images["t1"]), grid_of(images["t1"]).affine)
    away = np.eye(4)
    away[:3, 3] = (60.0, -50.0, 40.0)
    moved = image_on(sitk.GetArrayFromImage(moved), away @ grid_of(images["t1"]).affine)
    found = registration.align(moved)
    true = away @ heads.motion(subject, "t1c", "t1")
    assert mean_error_mm(found.matrix, true, heads.brain_points(subject, "t1c")) < 0.5


def test_a_scan_that_is_in_place_stays_there(heads, prepared):
    subject, images, registration = prepared
    found = registration.align(images["t1c"])
    assert mean_error_mm(found.matrix, np.eye(4), heads.brain_points(subject, "t1c")) < 0.05


def test_the_same_seed_gives_the_same_transform(prepared):
    _, images, registration = prepared
    np.testing.assert_array_equal(registration.align(images["t2"]).matrix, registration.align(images["t2"]).matrix)


def test_a_scan_without_overlap_is_no_error(prepared):
    registration = prepared[2]
    far = np.diag([1.0, 1.0, 1.0, 1.0])
    far[0, 3] = 5000.0
    found = registration.align(image_on(np.eye(20, dtype=np.float32)[None].repeat(20, 0), far))
    assert np.isfinite(found.matrix).all()
    assert found.information_before == 0.0
