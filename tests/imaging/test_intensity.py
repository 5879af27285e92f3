import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.imaging.geometry import image_on
from mrisynth_pipeline.imaging.intensity import correct_bias, from_unit, intensity_range, to_unit
from mrisynth_pipeline.imaging.parameters import IntensityParameters


def test_percentiles_inside_the_mask_become_zero_and_one():
    volume = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    mask = volume >= 500
    low, high = intensity_range(volume, mask, IntensityParameters(lower_percentile=10, upper_percentile=90))
    assert (low, high) == pytest.approx((549.9, 949.1))
    unit = to_unit(volume, mask, low, high)
    assert unit[~mask].max() == 0.0
    assert unit[volume == 749.0] == pytest.approx((749 - low) / (high - low))
    assert unit[volume == 999] == 1.0
    assert unit.min() == 0.0


def test_the_way_back_is_exact_where_nothing_was_clipped():
    volume = np.random.default_rng(0).uniform(50, 4000, (8, 8, 8)).astype(np.float32)
    mask = np.ones_like(volume, dtype=bool)
    unit = to_unit(volume, mask, 50.0, 4000.0)
    np.testing.assert_allclose(from_unit(unit, 50.0, 4000.0), volume, rtol=1e-5)


def test_a_constant_foreground_maps_to_one():
    volume = np.full((4, 4, 4), 7.0, np.float32)
    mask = np.ones_like(volume, dtype=bool)
    low, high = intensity_range(volume, mask, IntensityParameters())
    assert (to_unit(volume, mask, low, high) == 1.0).all()


def test_n4_flattens_a_smooth_field():
    z, y, x = np.indices((24, 24, 24))
    ball = (z - 12) ** 2 + (y - 12) ** 2 + (x - 12) ** 2 < 100
    tissue = np.where((x // 4 + y // 4 + z // 4) % 2, 100.0, 200.0)
    biased = np.where(ball, tissue * np.exp(0.03 * (x - 12)), 1.0).astype(np.float32)
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    flat = correct_bias(image_on(biased, affine), image_on(ball.astype(np.uint8), affine))
    bright = ball & (tissue == 200.0)
    corrected = sitk.GetArrayFromImage(flat)[bright]
    assert corrected.std() / corrected.mean() < 0.5 * biased[bright].std() / biased[bright].mean()
