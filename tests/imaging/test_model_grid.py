import numpy as np
import pytest

from mrisynth_pipeline.imaging.geometry import image_on, resample
from mrisynth_pipeline.imaging.model_grid import place_grid
from mrisynth_pipeline.imaging.parameters import GridParameters


def reference_and_mask(spacing=2.0, low=(20, 18, 10), high=(40, 44, 30)):
    values = np.random.default_rng(0).uniform(1, 2, (50, 60, 64)).astype(np.float32)
    mask = np.zeros(values.shape, np.uint8)
    mask[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = 1
    affine = np.diag([spacing] * 3 + [1.0])
    affine[:3, 3] = (-31.3, 12.7, 5.1)
    return image_on(values, affine), image_on(mask, affine), values, mask


def test_the_references_voxel_size_makes_it_a_crop():
    reference, mask, values, array = reference_and_mask()
    grid = place_grid(reference, mask, GridParameters(size=(32, 32, 32), spacing_mm=(2, 2, 2))).grid
    first = np.rint((grid.affine[:3, 3] - (-31.3, 12.7, 5.1)) / 2).astype(int)
    x, y, z = (slice(max(f, 0), f + 32) for f in first)
    cropped = resample(reference, grid)
    pad = [max(-f, 0) for f in first]
    inside = cropped[pad[2] :, pad[1] :, pad[0] :]
    np.testing.assert_array_equal(inside, values[z, y, x])
    assert resample(mask, grid).sum() == array.sum()


def test_the_mask_lies_in_the_middle():
    reference, mask, _, _ = reference_and_mask()
    placed = place_grid(reference, mask, GridParameters(size=(40, 40, 40), spacing_mm=(1.5, 1.5, 1.5)))
    where = np.argwhere(resample(mask, placed.grid, None, "nearest"))
    np.testing.assert_allclose(where.mean(axis=0), 19.5, atol=1.0)
    assert max(placed.cut_mm) == 0


def test_a_mask_taller_than_the_grid_keeps_its_top():
    reference, mask, _, _ = reference_and_mask(low=(20, 18, 0), high=(40, 44, 50))
    placed = place_grid(reference, mask, GridParameters(size=(40, 40, 40), spacing_mm=(1.6, 1.6, 1.6)))
    assert placed.cut_mm == pytest.approx((0, 0, 100 - 64))
    top_mm = 5.1 + 49 * 2 + 1  # upper face of the uppermost voxel
    assert (placed.grid.affine @ [0, 0, 39.5, 1])[2] == pytest.approx(top_mm)
