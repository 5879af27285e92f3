"""Losses against their definitions."""

import math

import torch

from mrisynth_pipeline.training.averaging import ExponentialAverage
from mrisynth_pipeline.training.imputation import image_psnr, reconstruction_loss
from mrisynth_pipeline.training.parameters import OptimisationParameters
from mrisynth_pipeline.training.schedule import ScheduledTraining


def test_psnr_loss_is_that_of_the_paper():
    """10·log10(MSE over batch and pixels + 1e-8), then the mean over modalities."""
    torch.manual_seed(0)
    prediction, target = torch.rand(2, 4, 3, 5, 6)
    mask = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=torch.bool)
    expected = []
    for modality in (0, 1):  # the mask takes modality 2 from nobody: it does not count
        rows = mask[:, modality]
        error = ((prediction[rows, modality] - target[rows, modality]) ** 2).mean().item()
        expected.append(10 * math.log10(error + 1e-8))
    loss = reconstruction_loss(prediction, target, mask, "psnr").item()
    assert math.isclose(loss, sum(expected) / 2, rel_tol=1e-5)


def test_a_modality_that_no_sample_lacks_leaves_no_nan_in_the_gradient():
    prediction = torch.rand(2, 3, 4, 4, requires_grad=True)
    mask = torch.tensor([[True, False, False], [True, True, False]])
    for kind in ("psnr", "l1"):
        reconstruction_loss(prediction, torch.rand(2, 3, 4, 4), mask, kind).backward()
    assert prediction.grad.isfinite().all()
    assert (prediction.grad[:, 2] == 0).all()


def test_l1_loss_is_the_mean_absolute_error_of_the_masked():
    prediction, target = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    target[:, 1] = 0.5
    assert reconstruction_loss(prediction, target, torch.tensor([[True, True]]), "l1") == 0.75


def test_image_psnr_is_the_mean_over_images_not_of_the_mean_error():
    target = torch.zeros(2, 1, 4, 4)
    prediction = torch.stack([torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.001)])
    missing = torch.ones(2, 1, dtype=torch.bool)
    assert math.isclose(image_psnr(prediction, target, missing).item(), (20 + 60) / 2, rel_tol=1e-5)


def test_the_learning_rate_warms_up_and_falls_to_its_end():
    schedule = ScheduledTraining(
        OptimisationParameters(steps=110, warmup_steps=10, learning_rate=1e-2, final_learning_rate=1e-4)
    )
    factors = [schedule.learning_rate_factor(step) for step in range(111)]
    assert math.isclose(factors[0], 0.1)
    assert factors[9] == factors[10] == 1.0
    assert math.isclose(factors[60], 0.505)
    assert math.isclose(factors[110], 0.01)


def test_the_average_warms_up_and_leaves_integers_alone():
    average = ExponentialAverage(0.9)._kwargs["avg_fn"]
    old, new = torch.tensor(1.0), torch.tensor(0.0)
    assert math.isclose(average(old, new, 1).item(), 2 / 11, rel_tol=1e-6)
    assert math.isclose(average(old, new, 10_000).item(), 0.9, rel_tol=1e-6)
    assert average(torch.tensor(8), torch.tensor(8), 3) == 8
