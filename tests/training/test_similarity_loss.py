"""The SSIM loss against MONAI's."""

import pytest
import torch
from monai.losses import SSIMLoss

from mrisynth_pipeline.training.similarity_loss import dissimilarity


@pytest.mark.parametrize("flat", [False, True])
def test_it_is_one_minus_monai_s_ssim_of_a_uniform_window(flat):
    x, y = torch.rand(2, 3, 1, 1 if flat else 9, 12, 15, generator=torch.Generator().manual_seed(0))
    y = 0.7 * x + 0.3 * y
    library = SSIMLoss(2 if flat else 3, kernel_type="uniform", win_size=7)
    expected = library(x[:, :, 0], y[:, :, 0]) if flat else library(x, y)
    assert torch.allclose(dissimilarity(x, y), expected, atol=1e-5)


def test_the_same_image_has_no_loss_and_others_pull():
    x = torch.rand(1, 1, 8, 8, 8)
    assert dissimilarity(x, x) < 1e-5
    prediction = torch.rand(1, 1, 8, 8, 8, requires_grad=True)
    dissimilarity(prediction, x).backward()
    assert torch.isfinite(prediction.grad).all()
    assert (prediction.grad != 0).any()


def test_it_is_exact_in_a_training_of_mixed_precision():
    x, y = torch.rand(2, 1, 1, 8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = dissimilarity(x, y)
    assert torch.equal(mixed, dissimilarity(x, y))


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match="window of 7 voxels needs larger images"):
        dissimilarity(torch.rand(1, 1, 6, 8, 8), torch.rand(1, 1, 6, 8, 8))
