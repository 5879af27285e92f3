import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.imaging.geometry import (
    Grid,
    grid_of,
    image_on,
    itk_transform,
    ras_matrix,
    resample,
    shrink_to,
    smooth_for,
)


def oblique(spacing=(1.5, 2.0, 3.0), degrees=17.0, origin=(-20.0, 31.0, 7.0)) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = origin
    return affine


def motion() -> np.ndarray:
    matrix = oblique(spacing=(1, 1, 1), degrees=8.0, origin=(3.0, -4.0, 5.0))
    return matrix


class TestWorld:
    def test_an_image_keeps_its_affine(self):
        image = image_on(np.zeros((6, 5, 4), np.float32), oblique())
        assert image.GetSize() == (4, 5, 6)
        np.testing.assert_allclose(grid_of(image).affine, oblique(), atol=1e-9)

    def test_itk_and_nibabel_agree_on_where_a_voxel_lies(self):
        image = image_on(np.zeros((6, 5, 4), np.float32), oblique())
        x, y, z = image.TransformIndexToPhysicalPoint((3, 1, 2))
        np.testing.assert_allclose([-x, -y, z], nib.affines.apply_affine(oblique(), (3, 1, 2)), atol=1e-9)

    def test_a_matrix_survives_itk(self):
        np.testing.assert_allclose(ras_matrix(itk_transform(motion())), motion(), atol=1e-12)
        euler = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, -0.2, 0.3, (4.0, 5.0, 6.0))
        point = np.array([7.0, -8.0, 9.0, 1.0])
        x, y, z = euler.TransformPoint((-7.0, 8.0, 9.0))
        np.testing.assert_allclose((ras_matrix(euler) @ point)[:3], [-x, -y, z], atol=1e-9)

    def test_grids_match_by_their_corners(self):
        grid = Grid((4, 5, 6), oblique())
        assert grid.matches(Grid((4, 5, 6), oblique(origin=(-20.0, 31.0, 7.05))))
        assert not grid.matches(Grid((4, 5, 6), oblique(origin=(-20.0, 31.0, 7.5))))
        assert not grid.matches(Grid((4, 5, 7), oblique()))


class TestResample:
    def test_a_marker_lands_at_its_world_point_under_motion(self):
        scan_affine, matrix = oblique(), motion()
        array = np.zeros((20, 20, 20), np.float32)
        array[9, 12, 7] = 1.0  # z, y, x
        marker_in_scan = nib.affines.apply_affine(scan_affine, (7, 12, 9))
        marker_in_reference = nib.affines.apply_affine(np.linalg.inv(matrix), marker_in_scan)
        fine = np.diag([0.5, 0.5, 0.5, 1.0])
        fine[:3, 3] = marker_in_reference - 10.0
        out = resample(image_on(array, scan_affine), Grid((41, 41, 41), fine), matrix)
        z, y, x = np.unravel_index(out.argmax(), out.shape)
        found = nib.affines.apply_affine(fine, (x, y, z))
        assert np.linalg.norm(found - marker_in_reference) < 0.5

    def test_left_stays_left(self):
        array = np.zeros((8, 8, 8), np.float32)
        array[:, :, :4] = 1.0  # x grows to the right: the left half
        grid = Grid((16, 16, 16), np.array([[0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, 1.0]]))
        out = resample(image_on(array, np.eye(4)), grid)
        assert out[8, 8, 2] == 1.0
        assert out[8, 8, 12] == 0.0

    def test_the_same_grid_changes_nothing_and_outside_is_zero(self):
        array = np.random.default_rng(0).uniform(1, 2, (6, 7, 8)).astype(np.float32)
        image = image_on(array, oblique())
        np.testing.assert_array_equal(resample(image, grid_of(image)), array)
        away = Grid((3, 3, 3), oblique(origin=(500.0, 0.0, 0.0)))
        assert not resample(image, away).any()

    def test_nearest_keeps_labels(self):
        labels = np.random.default_rng(0).integers(0, 4, (9, 9, 9)).astype(np.float32)
        grid = Grid((17, 17, 17), np.diag([0.7, 0.7, 0.7, 1.0]))
        assert set(np.unique(resample(image_on(labels, np.eye(4)), grid, None, "nearest"))) <= {0, 1, 2, 3}


class TestSmoothing:
    def test_axes_that_are_not_coarsened_stay_bit_for_bit(self):
        array = np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32)
        image = image_on(array, np.diag([1.0, 1.0, 3.0, 1.0]))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(smooth_for(image, (1.0, 1.0, 3.0))), array)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(smooth_for(image, (0.5, 1.0, 2.0))), array)

    def test_the_blur_has_the_width_that_is_missing(self):
        array = np.zeros((9, 9, 101), np.float32)
        array[4, 4, 50] = 1.0
        line = sitk.GetArrayFromImage(smooth_for(image_on(array, np.eye(4)), (4.0, 1.0, 1.0)))[4, 4]
        x = np.arange(101) - 50
        full_width_at_half_maximum = np.sqrt((line * x**2).sum() / line.sum() * 8 * np.log(2))
        assert full_width_at_half_maximum == pytest.approx(np.sqrt(4.0**2 - 1.0**2), rel=0.05)
        assert line.sum() == pytest.approx(1.0, rel=1e-3)

    def test_shrinking_averages(self):
        array = np.random.default_rng(0).uniform(size=(16, 16, 16)).astype(np.float32)
        small = shrink_to(image_on(array, np.eye(4)), 2.0)
        assert sitk.GetArrayFromImage(small)[0, 0, 0] == pytest.approx(array[:2, :2, :2].mean())
        assert shrink_to(image_on(array, np.eye(4)), 0.5).GetSize() == (16, 16, 16)
        assert shrink_to(image_on(array, np.eye(4)), 9.0).GetSize() == (8, 8, 8)  # room for filters is left
