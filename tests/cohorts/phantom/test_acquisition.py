import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.phantom.acquisition import (
    HEAD_CENTRE_MM,
    add_rician_noise,
    archive_grid,
    coil_bias,
    resample,
    rigid,
    ring,
    scanner_grid,
)
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid


def centroid_mm(values, affine):
    index = np.stack(np.indices(values.shape)).reshape(3, -1)
    return nib.affines.apply_affine(affine, (index * values.ravel()).sum(1) / values.sum())


@pytest.mark.parametrize("orientation", ["LPS", "PSR", "RAS"])
@pytest.mark.parametrize("slice_mm", [3.0, 5.0])
def test_a_landmark_lands_where_motion_and_affine_say(orientation, slice_mm):
    head = HeadGrid(3.0)
    landmark = np.array([21.0, -13.0, 30.0])
    blob = np.exp(-((head.mesh() - landmark.reshape(3, 1, 1, 1)) ** 2).sum(0) / (2 * 6.0**2))
    motion = rigid(np.array([4.0, -5.0, 3.0]), np.array([5.0, -4.0, 3.0]))
    grid = scanner_grid(orientation, (3.0, 3.0, slice_mm), (210.0, 210.0, 190.0), tilt_deg=7.0)
    scan = resample(blob, head, grid, motion)
    moved = nib.affines.apply_affine(motion, landmark)
    assert np.linalg.norm(moved - landmark) > 4
    np.testing.assert_allclose(centroid_mm(scan, grid.affine), moved, atol=0.1)
    assert nib.aff2axcodes(grid.affine) == tuple(orientation)
    np.testing.assert_allclose(nib.affines.voxel_sizes(grid.affine), (3.0, 3.0, slice_mm))


def test_heads_turn_about_their_centre():
    motion = rigid(np.zeros(3), np.array([5.0, 5.0, 5.0]))
    np.testing.assert_allclose(nib.affines.apply_affine(motion, HEAD_CENTRE_MM), HEAD_CENTRE_MM, atol=1e-9)
    np.testing.assert_allclose(motion[:3, :3] @ motion[:3, :3].T, np.eye(3), atol=1e-9)


def test_thick_slices_average_and_keep_the_mean():
    head = HeadGrid(3.0)
    sheets = np.zeros(head.shape, np.float32)
    sheets[:, :, ::2] = 1.0  # alternate planes: a 12 mm slice cannot tell them apart
    grid = scanner_grid("RAS", (6.0, 6.0, 12.0), (120.0, 120.0, 120.0), tilt_deg=0.0)
    scan = resample(sheets, head, grid, np.eye(4))
    assert scan.mean() == pytest.approx(0.5, abs=0.02)
    assert scan.std() < 0.1


@pytest.mark.parametrize(("spacing", "shape"), [(1.0, (240, 240, 155)), (2.0, (120, 120, 78)), (4.0, (60, 60, 39))])
def test_archive_grid_is_that_of_brats_at_its_voxel_size(spacing, shape):
    grid = archive_grid(spacing)
    assert grid.shape == shape
    assert nib.aff2axcodes(grid.affine) == ("L", "P", "S")
    np.testing.assert_array_equal(grid.affine[:3, 3], (0, 239, 0))


def test_noise_is_rician():
    generator = np.random.default_rng(0)
    air = add_rician_noise(generator, np.zeros((40, 40, 40), np.float32), 2.0)
    assert air.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.02)  # Rayleigh
    tissue = add_rician_noise(generator, np.full((40, 40, 40), 100.0, np.float32), 2.0)
    assert tissue.std() == pytest.approx(2.0, rel=0.03)
    assert tissue.mean() == pytest.approx(100.0, rel=0.01)


def test_bias_is_smooth_and_within_its_limit():
    head = HeadGrid(5.0)
    bias = coil_bias(np.random.default_rng(1), head, 0.2)
    assert np.abs(bias - 1).max() == pytest.approx(0.2, abs=1e-4)
    assert np.abs(np.diff(bias, axis=0)).max() < 0.03


def test_ringing_is_mild_and_keeps_the_mean():
    box = np.zeros((64, 64, 3), np.float32)
    box[20:44, 20:44] = 1.0
    rung = ring(box)
    assert rung.mean() == pytest.approx(box.mean(), rel=1e-4)
    assert 1.01 < rung.max() < 1.25
