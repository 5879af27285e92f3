import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from mrisynth_pipeline.metrics.image import (
    PSNR_CAP,
    TrueVolume,
    image_scores,
    slice_scores,
    volume_psnr,
    volume_scores,
)
from mrisynth_pipeline.metrics.similarity import ssim_map


def test_slice_protocol_is_that_of_torchmetrics_slice_by_slice(brain_pair):
    prediction, target, _ = brain_pair
    scores = slice_scores(prediction, target, [3, 9, 17])
    for position, z in enumerate([3, 9, 17]):
        p, t = prediction[z].clamp(0, 1), target[z]
        psnr = peak_signal_noise_ratio(p, t, data_range=1.0)
        ssim = structural_similarity_index_measure(p[None, None], t[None, None], data_range=1.0, sigma=1.5)
        assert scores["psnr"][position] == pytest.approx(float(psnr), abs=1e-4)
        assert scores["ssim"][position] == pytest.approx(100 * float(ssim), abs=1e-3)
        assert scores["mae"][position] == pytest.approx(1000 * float((p - t).abs().mean()), rel=1e-5)


def test_the_mean_of_slice_psnrs_is_reported_not_the_psnr_of_the_mean_error():
    target = torch.zeros(2, 16, 16)
    prediction = torch.stack([torch.full((16, 16), 0.1), torch.full((16, 16), 0.001)])
    mask = torch.ones(8, 16, 16, dtype=torch.bool)
    assert slice_scores(prediction, target, [0, 1])["psnr"] == pytest.approx([20.0, 60.0], abs=1e-3)
    padded = torch.nn.functional.pad(prediction, (0, 0, 0, 0, 0, 6))
    scores = image_scores(padded, torch.zeros(8, 16, 16), mask, [0, 1])
    assert scores["slice_psnr"] == pytest.approx(40.0, abs=1e-3)  # the PSNR of the mean error would be 23.01
    assert scores["n_slices"] == 2


def test_volume_protocol_sees_the_brain_only(brain_pair):
    prediction, target, mask = brain_pair
    scores = volume_scores(prediction, target, mask)
    error = (prediction.clamp(0, 1) - target)[mask].double().numpy()
    assert scores["psnr"] == pytest.approx(-10 * np.log10((error**2).mean()), abs=1e-5)
    assert scores["mae"] == pytest.approx(1000 * np.abs(error).mean(), rel=1e-6)
    full = ssim_map(prediction.clamp(0, 1), target, 3)  # uncropped
    assert scores["ssim"] == pytest.approx(100 * float(full[mask].mean()), abs=1e-10)

    far_outside = torch.ones_like(mask)
    far_outside[5:16, 5:31, 5:23] = False
    small = torch.zeros_like(mask)
    small[10, 15:20, 12:16] = True
    disturbed = torch.where(far_outside, torch.rand(mask.shape), prediction)
    assert volume_scores(disturbed, target, small) == volume_scores(prediction, target, small)


def test_a_zero_background_flatters_the_slice_protocol(brain_pair):
    prediction, target, mask = brain_pair
    scores = image_scores(prediction * mask, target, mask, slice(None))
    assert scores["slice_psnr"] > scores["volume_psnr"] + 2


def test_an_identical_volume_has_the_documented_ceiling(brain_pair):
    _, target, mask = brain_pair
    scores = image_scores(target, target, mask, slice(2, 8))
    assert scores["slice_psnr"] == scores["volume_psnr"] == PSNR_CAP == 100
    assert scores["slice_ssim"] == pytest.approx(100) == scores["volume_ssim"]
    assert scores["slice_mae"] == scores["volume_mae"] == 0
    assert scores["n_slices"] == 6


def test_predictions_are_clamped_before_scoring(brain_pair):
    _, target, mask = brain_pair
    ones = torch.ones_like(target)
    assert image_scores(5 * ones, target, mask, [4]) == image_scores(ones, target, mask, [4])


@pytest.mark.parametrize("chosen", [[4, 7], np.array([4, 7]), torch.tensor([4, 7]), slice(4, 8, 3)])
def test_slices_may_be_indices_or_a_python_slice(brain_pair, chosen):
    prediction, target, _ = brain_pair
    expected = slice_scores(prediction, target, range(20))["psnr"][[4, 7]]
    np.testing.assert_array_equal(slice_scores(prediction, target, chosen)["psnr"], expected)


def test_slices_may_be_a_boolean_array(brain_pair):
    prediction, target, mask = brain_pair
    inside = mask.flatten(1).any(dim=1)
    assert len(slice_scores(prediction, target, inside.numpy())["psnr"]) == int(inside.sum())


def test_half_precision_scores_as_float32(brain_pair):
    prediction, target, mask = brain_pair
    stored = target.half()
    assert image_scores(prediction, stored, mask, [9]) == image_scores(prediction, stored.float(), mask, [9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, t, m: (p[1:], t, m, [3]), "prediction is .* but the truth is"),
        (lambda p, t, m: (p, t, m[1:], [3]), "mask is .* but the truth is"),
        (lambda p, t, m: (p, t, m & False, [3]), "mask is empty"),
        (lambda p, t, m: (p, t, m, []), "no axial slice"),
        (lambda p, t, m: (p.index_fill(0, torch.tensor([0]), torch.nan), t, m, [3]), "NaN"),
    ],
)
def test_what_cannot_be_scored_is_refused(brain_pair, change, message):
    with pytest.raises(ValueError, match=message):
        image_scores(*change(*brain_pair))


def test_one_truth_scores_many_predictions(brain_pair):
    prediction, target, mask = brain_pair
    truth = TrueVolume(target, mask, [5, 6])
    first = truth.score(prediction)
    assert truth.score(target)["slice_psnr"] == PSNR_CAP
    assert truth.score(prediction) == first


def test_psnr_alone_is_that_of_the_volume_protocol():
    generator = torch.Generator().manual_seed(3)
    target, error = (torch.rand(16, 16, 16, generator=generator) for _ in range(2))
    mask = torch.rand(16, 16, 16, generator=generator) > 0.5
    made = target + 0.3 * (error - 0.5)
    assert volume_psnr(made, target, mask) == volume_scores(made, target, mask)["psnr"]
    with pytest.raises(ValueError, match="with 0 voxels"):
        volume_psnr(made, target, torch.zeros_like(mask))
