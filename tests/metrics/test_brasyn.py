"""Protocol brasyn: the truth's percentiles, tumour and the rest apart."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from mrisynth_pipeline.metrics.brasyn import TrueBrasyn

SHAPE = (24, 26, 28)


@pytest.fixture
def truth():
    generator = torch.Generator().manual_seed(0)
    image = torch.nn.functional.avg_pool3d(torch.rand((1, *SHAPE), generator=generator), 3, 1, 1)[0]
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[2:-2, 2:-2, 2:-2] = True
    tumour = torch.zeros(SHAPE, dtype=torch.bool)
    tumour[8:14, 8:14, 8:14] = True
    return image * mask, mask, tumour


def test_a_copy_is_perfect(truth):
    scores = TrueBrasyn(*truth).score(truth[0])
    assert scores == pytest.approx({"brasyn_ssim_tumour": 100.0, "brasyn_ssim_healthy": 100.0})


def test_an_error_in_the_tumour_costs_there_alone(truth):
    image, mask, tumour = truth
    wrong = torch.where(tumour, 1 - image, image)
    scores = TrueBrasyn(image, mask, tumour).score(wrong)
    assert scores["brasyn_ssim_tumour"] < 60
    assert scores["brasyn_ssim_healthy"] > 90


def test_it_is_ssim_of_clipped_and_scaled_images_by_other_people_s_code(truth):
    image, mask, _ = truth
    made = (image + 0.1 * torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    low, high = np.percentile(image[mask].double().numpy(), (0.5, 99.5))
    scaled = [((x.double() - low) / (high - low)).clamp(0, 1)[None, None] for x in (made, image)]
    _, whole = structural_similarity_index_measure(*scaled, data_range=1.0, return_full_image=True)
    expected = 100 * whole[0, 0][mask].mean().item()
    assert TrueBrasyn(image, mask, None).score(made)["brasyn_ssim_healthy"] == pytest.approx(expected, abs=1e-6)


def test_the_range_is_the_truth_s(truth):
    image, mask, tumour = truth
    brighter = TrueBrasyn(image, mask, tumour).score((image * 1.5).clamp(0, 1))
    assert brighter["brasyn_ssim_healthy"] < 99, "a gain is an error"


def test_without_a_tumour_there_is_no_score_of_it(truth):
    image, mask, tumour = truth
    assert np.isnan(TrueBrasyn(image, mask, None).score(image)["brasyn_ssim_tumour"])
    assert np.isnan(TrueBrasyn(image, mask, torch.zeros_like(tumour)).score(image)["brasyn_ssim_tumour"])


def test_an_even_truth_does_not_divide_by_nothing(truth):
    _, mask, tumour = truth
    even = torch.full(SHAPE, 0.5)
    assert TrueBrasyn(even, mask, tumour).score(even)["brasyn_ssim_healthy"] == pytest.approx(100.0)


def test_what_cannot_be_scored_is_refused(truth):
    image, mask, _ = truth
    with pytest.raises(ValueError, match="mask is empty"):
        TrueBrasyn(image, torch.zeros_like(mask), None)
    with pytest.raises(ValueError, match="alike"):
        TrueBrasyn(image[1:], mask, None)
