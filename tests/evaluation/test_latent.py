"""Latents are taken where all brains are, from every set of inputs, and compared within and between subjects."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.evaluation.latent import (
    LatentImputer,
    brain_latents,
    compare_latents,
    latent_pictures,
    with_everything,
)
from mrisynth_pipeline.evaluation.parameters import UncertaintyParameters
from mrisynth_pipeline.metrics.latent import summarise_latent
from mrisynth_pipeline.models.baselines import LinearRegression

CONTRASTS = ("t1", "t2", "pd")
PARAMETERS = UncertaintyParameters(components=3)


def test_methods_with_a_latent_are_told_from_others(doubtful):
    assert isinstance(doubtful(CONTRASTS), LatentImputer)
    assert not isinstance(LinearRegression(CONTRASTS), LatentImputer)


def test_the_last_subset_is_everything():
    assert with_everything(CONTRASTS).sum(1).tolist() == [1, 1, 1, 2, 2, 2, 3]


def test_codes_are_the_method_s_at_the_pixels_of_all_brains(brains, doubtful):
    method, subsets = doubtful(CONTRASTS), with_everything(CONTRASTS)
    codes = brain_latents(method, brains, ["anna", "bert"], subsets)
    file = brains.open("anna")
    z = int(file.mask().sum((1, 2)).argmax())
    shared = file.mask()[z] & brains.open("bert").mask()[z]
    assert codes.shape == (2, 7, 2, shared.sum())
    images = torch.from_numpy(file.slice(z))[None]
    expected = method.latent(images[:, [0, 0, 2]], torch.tensor([[True, False, True]]))[0, :, shared].detach()
    np.testing.assert_allclose(codes[0, 4], expected, atol=1e-6)


def test_distances_and_components_of_every_subset(brains, doubtful):
    components, distances = compare_latents(doubtful(CONTRASTS), brains, ["anna", "bert", "same"], PARAMETERS)
    assert len(components) == 3 * 7 * 3
    assert components.groupby("component")["explained"].nunique().max() == 1
    same = distances[(distances["subject"] == "same") & (distances["other"] == "same")]
    assert (same["distance"] < 1e-6).all(), "its contrasts are alike"
    assert set(distances["code"]) == {"placed", "pooled"}
    found = summarise_latent(components, distances, n_resamples=100)
    assert found["n_subjects"] == 3
    assert found["codes"]["placed"]["subsets"]["within"]["n"] == 3


def test_so_many_subjects_and_no_fewer_than_one(brains, doubtful):
    one = PARAMETERS.model_copy(update={"latent_subjects": 1})
    components, distances = compare_latents(doubtful(CONTRASTS), brains, ["anna", "bert"], one)
    assert set(components["subject"]) == set(distances["other"]) == {"anna"}
    with pytest.raises(ValueError, match="0 subjects share no pixel"):
        compare_latents(doubtful(CONTRASTS), brains, [], PARAMETERS)


def test_pictures_have_one_basis_and_lie_in_the_brain(brains, doubtful):
    pictures = latent_pictures(doubtful(CONTRASTS), brains, "same")
    assert set(pictures) == {"explained", "t1", "t2", "pd", "t1+t2", "t1+pd", "t2+pd", "t1+t2+pd"}
    np.testing.assert_allclose(pictures["t1"], pictures["t1+t2+pd"], atol=1e-3)
    mask = brains.open("same").mask()
    z = int(mask.sum((1, 2)).argmax())
    assert (pictures["t1"][:, ~mask[z]] == 0).all()
    assert pictures["t1"][0].max() == 1
    assert (pictures["t1"][2] == 0).all(), "two channels have two components"
    assert pictures["explained"][2] == 0
