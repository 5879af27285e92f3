"""One motion, three ways to write it: they must carry the same points to the same places."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch

from mrisynth_pipeline.imaging.geometry import grid_of, image_on, resample
from mrisynth_pipeline.imaging.rigid_motion import RigidMotion, mean_displacement_mm

SHAPE, SPACING = (20, 31, 26), (3.0, 1.0, 1.5)
MOTION = RigidMotion((0.7, -2.0, 1.5), (0.2, -0.1, 0.3))


def smooth() -> np.ndarray:
    noise = sitk.GetImageFromArray(np.random.default_rng(0).random(SHAPE, dtype=np.float32))
    volume = sitk.GetArrayFromImage(sitk.DiscreteGaussian(noise, 2.0))
    return np.pad(volume[2:-2, 2:-2, 2:-2], 2)  # ITK and torch fade out differently at the edge of a grid


def test_the_matrix_is_what_displace_does():
    """ITK, asked where every point came from, makes the same volume as torch."""
    volume = smooth()
    image = image_on(volume, np.diag([*SPACING[::-1], 1.0]))
    expected = resample(image, grid_of(image), np.linalg.inv(MOTION.matrix(SHAPE, SPACING)))
    moved = MOTION.applied(torch.from_numpy(volume), SPACING).numpy()
    np.testing.assert_allclose(moved, expected, atol=1e-5)
    assert np.abs(moved - volume).max() > 0.2


def test_a_matrix_gives_its_motion_back():
    again = RigidMotion.of_matrix(MOTION.matrix(SHAPE, SPACING), SHAPE, SPACING)
    np.testing.assert_allclose(again.translation, MOTION.translation, atol=1e-12)
    np.testing.assert_allclose(again.rotation, MOTION.rotation, atol=1e-12)


def test_a_shift_carries_every_voxel_as_far():
    mask = np.zeros(SHAPE, bool)
    mask[3:5, 4:9, 2:20] = True
    assert mean_displacement_mm(RigidMotion((1.0, 0.0, 0.0)), mask, SPACING) == pytest.approx(3.0)
    assert mean_displacement_mm(RigidMotion((1.0, 4.0, 0.0)), mask, SPACING) == pytest.approx(5.0)
    assert mean_displacement_mm(RigidMotion(), mask, SPACING) == 0.0


def test_a_turn_carries_a_voxel_by_its_distance_from_the_axis():
    mask = np.zeros((5, 21, 21), bool)
    mask[2, 10, 20] = True  # 10 mm from the middle
    turn = RigidMotion(rotation=(0.1, 0.0, 0.0))
    assert mean_displacement_mm(turn, mask, (1.0, 1.0, 1.0)) == pytest.approx(2 * 10 * np.sin(0.05))


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="mask is empty"):
        mean_displacement_mm(MOTION, np.zeros(SHAPE, bool), SPACING)
