"""Errors by tissue and part of the tumour."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.metrics.regions import DETAILS, TrueRegions, regions_of

SHAPE = (6, 8, 10)


@pytest.fixture
def maps():
    mask = np.zeros(SHAPE, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    tissues = np.zeros(SHAPE, np.uint8)
    tissues[:3], tissues[3:5], tissues[5] = 1, 2, 3
    tumour = np.zeros(SHAPE, np.uint8)
    tumour[2:4, 2:4, 2:6] = 2
    tumour[2:4, 2:4, 2:4] = 3
    return mask, tissues, tumour


def test_tissues_are_the_brain_s_without_the_tumour_and_the_tumour_has_parts(maps):
    mask, tissues, tumour = maps
    regions = regions_of(*maps)
    assert set(regions) == {"grey", "white", "csf", "tumour", "core", "enhancing"}
    np.testing.assert_array_equal(regions["grey"], mask & (tissues == 1) & (tumour == 0))
    np.testing.assert_array_equal(regions["tumour"], tumour > 0)
    np.testing.assert_array_equal(regions["enhancing"], tumour == 3)


def test_what_is_not_known_has_no_region(maps):
    mask, tissues, tumour = maps
    assert regions_of(mask, None, None) == {}
    assert set(regions_of(mask, tissues, None)) == {"grey", "white", "csf"}
    assert set(regions_of(mask, None, tumour)) == {"tumour", "core", "enhancing"}


def test_errors_are_told_by_region(maps):
    truth = torch.full(SHAPE, 0.5)
    made = truth + 0.1 * torch.from_numpy((maps[2] == 3).astype(np.float32))
    scores = TrueRegions(truth, regions_of(*maps)).score(made)
    assert scores["grey_mae"] == 0
    assert scores["grey_psnr"] == 100
    assert scores["enhancing_mae"] == pytest.approx(100.0)
    assert scores["enhancing_psnr"] == pytest.approx(20.0, abs=1e-4)
    assert scores["tumour_mae"] == pytest.approx(50.0, abs=1e-4)
    assert set(scores) <= set(DETAILS), "each has a label"


def test_a_region_of_few_voxels_is_not_scored(maps):
    region = np.zeros(SHAPE, bool)
    region[0, 0, :7] = True
    scores = TrueRegions(torch.zeros(SHAPE), {"grey": region}).score(torch.ones(SHAPE))
    assert np.isnan(scores["grey_mae"])
    assert np.isnan(scores["grey_psnr"])
