import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from mrisynth_pipeline.metrics.similarity import SimilarityTo, ssim_map


def reference_map(prediction, target):
    batch = (prediction[None, None].double(), target[None, None].double())
    _, full = structural_similarity_index_measure(*batch, data_range=1.0, sigma=1.5, return_full_image=True)
    return full[0, 0]


@pytest.mark.parametrize("n_dims", [2, 3])
def test_map_is_that_of_torchmetrics(brain_pair, n_dims):
    prediction, target, _ = brain_pair
    prediction = prediction.clamp(0, 1)
    if n_dims == 2:
        expected = torch.stack([reference_map(p, t) for p, t in zip(prediction, target, strict=True)])
    else:
        expected = reference_map(prediction, target)
    torch.testing.assert_close(ssim_map(prediction, target, n_dims), expected, atol=1e-9, rtol=0)


def test_identical_images_are_fully_similar_everywhere(brain_pair):
    _, target, _ = brain_pair
    torch.testing.assert_close(ssim_map(target, target, 3), torch.ones(target.shape, dtype=torch.float64))


def test_autocast_changes_no_digit(brain_pair):
    prediction, target, _ = brain_pair
    plain = ssim_map(prediction, target, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ssim_map(prediction, target, 2), plain)


def test_one_truth_serves_many_predictions_unchanged(brain_pair):
    prediction, target, _ = brain_pair
    similarity = SimilarityTo(target, n_dims=2)
    first = similarity.map_of(prediction)
    similarity.map_of(target)
    assert torch.equal(similarity.map_of(prediction), first)


def test_an_axis_shorter_than_the_window_is_refused():
    with pytest.raises(ValueError, match="more than 5 voxels along every axis, got 4"):
        ssim_map(torch.zeros(4, 8, 8), torch.zeros(4, 8, 8), 3)
