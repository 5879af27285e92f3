"""The baselines against their definitions."""

import torch

from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage

MODALITIES = ("t1", "t2", "flair")
EVERY = torch.ones(3, dtype=torch.bool)


def test_linear_regression_finds_an_affine_law():
    torch.manual_seed(0)
    volumes = torch.rand(3, 4, 5, 6) * 0.5 + 0.01
    volumes[2] = 0.3 * volumes[0] + 0.5 * volumes[1] + 0.05
    method = LinearRegression(MODALITIES)
    method.accumulate(volumes, EVERY)
    imputed = method.impute(volumes[None], torch.tensor([[True, True, False]]))
    assert torch.allclose(imputed[0, 2], volumes[2], atol=1e-5)


def test_linear_regression_is_least_squares_of_the_foreground():
    torch.manual_seed(0)
    volumes = torch.rand(3, 4, 5, 6)
    volumes[:, :2] = 0  # background: neither fitted nor predicted
    method = LinearRegression(MODALITIES)
    method.accumulate(volumes, EVERY)
    inside = volumes[:, 2:].flatten(1).double()
    design = torch.stack([torch.ones_like(inside[0]), inside[1]], dim=1)
    expected = torch.linalg.lstsq(design, inside[0][:, None]).solution[:, 0]
    assert torch.allclose(method.coefficients(torch.tensor([False, True, False]))[:, 0], expected, atol=1e-9)
    imputed = method.impute(volumes[None], torch.tensor([[False, True, False]]))
    assert (imputed[0, :, :2] == 0).all()


def test_incomplete_subjects_count_where_they_can():
    torch.manual_seed(0)
    method = LinearRegression(MODALITIES)
    for missing in range(3):
        volumes = torch.rand(3, 20, 20, 20) * 0.5 + 0.01
        volumes[1] = 0.8 * volumes[0] + 0.1
        present = EVERY.clone()
        present[missing] = False
        method.accumulate(volumes.where(present[:, None, None, None], torch.nan), present)
    only_t1 = torch.tensor([True, False, False])
    assert torch.allclose(method.coefficients(only_t1)[:, 1], torch.tensor([0.1, 0.8], dtype=torch.float64), atol=0.05)


def test_mean_image_is_the_mean_of_those_who_have_the_contrast():
    method = MeanImage(MODALITIES, (1, 1, 2))
    method.accumulate(torch.full((3, 1, 1, 2), 0.2), EVERY)
    method.accumulate(torch.full((3, 1, 1, 2), 0.6), torch.tensor([True, False, True]))
    imputed = method.impute(torch.zeros(1, 3, 1, 1, 2), torch.tensor([[False, False, True]]))
    assert torch.allclose(imputed[0, 0], torch.tensor(0.4))
    assert torch.allclose(imputed[0, 1], torch.tensor(0.2))


def test_fluid_that_clipping_made_zero_is_inside_the_head():
    torch.manual_seed(0)
    volumes = torch.rand(3, 7, 7, 7) + 0.5
    volumes[:, [0, -1]] = volumes[:, :, [0, -1]] = volumes[:, :, :, [0, -1]] = 0  # background around
    volumes[0, 3, 3, 3] = 0  # a ventricle on T1
    volumes[1, 3, 3, 3] = 1
    method = LinearRegression(MODALITIES)
    method.accumulate(volumes / 1.5, EVERY)
    imputed = method.impute(volumes[None] / 1.5, torch.tensor([[True, False, False]]))
    assert imputed[0, 1, 3, 3, 3] > 0
    assert imputed[0, 1, 0].abs().sum() == 0
