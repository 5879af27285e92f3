"""Codes of the brain are collected where they are, and every pair of anatomy and style is scored against its truth."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.evaluation.anatomy import (
    brain_positions,
    collect_codes,
    score_swaps,
    swap_example,
    swapped,
)
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.metrics.anatomy import summarise_anatomy
from mrisynth_pipeline.metrics.image import volume_psnr
from mrisynth_pipeline.metrics.reconstruction import summarise_swaps

CONTRASTS = ("t1", "t2", "pd")
ALL = EvaluationParameters()


@pytest.fixture(scope="module")
def scores(brains, neuroquant):
    return score_swaps(neuroquant, brains, ["anna", "bert"], ALL)


def volumes_of(store, subject):
    return torch.from_numpy(store.open(subject).volumes())[None]


def test_a_position_is_in_the_brain_if_half_of_its_voxels_are():
    mask = torch.zeros(4, 4, 6, dtype=torch.bool)
    mask[:2, :, :4] = True  # 32 of 64 voxels
    mask[:, :, 4:] = True  # 32 voxels, and 32 beyond the image
    assert brain_positions(mask, 4).tolist() == [[[True, True]]]
    mask[0, 0, 0] = mask[0, 0, 5] = False
    assert brain_positions(mask, 4).tolist() == [[[False, False]]]


def test_codes_of_the_brain_are_those_of_the_network_at_their_positions(brains, neuroquant):
    codes = collect_codes(neuroquant, brains, ["anna", "bert"])
    grid = neuroquant.indices(volumes_of(brains, "bert"), torch.ones(1, 3, dtype=torch.bool))[0, 1].flatten()
    inside = brain_positions(torch.from_numpy(brains.open("bert").mask()), 4).flatten()
    rows = codes[(codes["subject"] == "bert") & (codes["modality"] == "t2")].sort_values("position")
    assert rows["position"].tolist() == inside.nonzero()[:, 0].tolist()
    assert rows["code"].tolist() == grid[inside].tolist()
    assert 0.2 < len(rows) / len(grid) < 0.8


def test_a_subject_whose_contrasts_are_alike_agrees_with_itself(brains, neuroquant):
    found = summarise_anatomy(collect_codes(neuroquant, brains, ["same", "anna"]), n_resamples=200)
    alone = summarise_anatomy(collect_codes(neuroquant, brains, ["same"]), n_resamples=200)
    assert alone["agreement"]["within"]["observed"]["mean"] == 1.0
    assert found["agreement"]["between_same"]["observed"]["mean"] < 1.0


def test_what_was_never_scanned_has_no_codes_and_no_swaps(incomplete_brains, neuroquant):
    codes = collect_codes(neuroquant, incomplete_brains, ["anna", "bert"])
    assert codes.groupby("subject")["modality"].nunique().to_dict() == {"anna": 2, "bert": 3}
    scores = score_swaps(neuroquant, incomplete_brains, ["anna", "bert"], ALL)
    anna = scores[scores["subject"] == "anna"]
    assert set(anna["anatomy"]) == set(anna["contrast"]) == {"t1", "t2"}
    bert = scores[(scores["subject"] == "bert") & (scores["style"] == "other")]
    assert set(bert["contrast"]) == {"t1", "t2"}, "anna has no style of pd to give"
    assert set(bert["anatomy"]) == {"t1", "t2", "pd"}
    assert np.isfinite(scores["psnr"]).all()


def test_every_pair_in_every_style(scores):
    assert not scores.duplicated(["subject", "anatomy", "contrast", "style", "region"]).any()
    sizes = scores.groupby(["subject", "style", "region"]).size()
    assert {style: sizes["anna", style, "brain"] for style in ("own", "other", "copy")} == {
        "own": 9,
        "other": 9,
        "copy": 6,
    }


def test_swaps_are_the_network_s_transfers_scored_against_the_contrast(scores, brains, neuroquant):
    anna, bert = volumes_of(brains, "anna"), volumes_of(brains, "bert")
    mask = torch.from_numpy(brains.open("anna").mask())
    found = scores[(scores["subject"] == "anna") & (scores["region"] == "brain")]
    found = found.set_index(["anatomy", "contrast", "style"])["psnr"]
    for style, donor in (("own", anna), ("other", bert)):
        image = neuroquant.transfer(anna[:, :1], donor[:, 2:], torch.tensor([2]))[0, 0]
        assert found["t1", "pd", style] == pytest.approx(volume_psnr(image, anna[0, 2], mask), abs=1e-4)
    made = neuroquant.reconstruct(anna, torch.ones(1, 3, dtype=torch.bool))[0, 1]
    assert found["t2", "t2", "own"] == pytest.approx(volume_psnr(made, anna[0, 1], mask), abs=1e-4)
    error = (anna[0, 0] - anna[0, 2])[mask].square().mean()
    assert found["t1", "pd", "copy"] == pytest.approx(float(-10 * torch.log10(error)), abs=1e-4)


def test_swaps_of_these_sum_up(scores):
    overall = summarise_swaps(scores, n_resamples=200)["overall"]
    assert set(overall) == {"reconstruction", "swap", "other", "copy"}
    assert all(entry["brain"]["n"] == 2 for entry in overall.values())


def test_one_subject_has_no_other_to_take_a_style_from(brains, neuroquant):
    alone = score_swaps(neuroquant, brains, ["anna"], ALL)
    assert set(alone["style"]) == {"own", "copy"}
    few = score_swaps(neuroquant, brains, ["anna", "bert"], EvaluationParameters(ceiling_subjects=1))
    assert set(few["subject"]) == {"anna"}
    assert "other" in set(few["style"]), "who is not scored may still give a style"


def test_channels_are_rows_and_columns(brains, neuroquant):
    anna = volumes_of(brains, "anna")
    made = swapped(neuroquant, anna, anna, [2, 0], [1])
    assert made.shape == (2, 1, 32, 48, 40)
    expected = neuroquant.transfer(anna[:, 2:], anna[:, 1:2], torch.tensor([1]))[0, 0]
    torch.testing.assert_close(made[0, 0], expected)


def test_examples_show_one_slice_of_what_there_is(incomplete_brains, neuroquant):
    example = swap_example(neuroquant, incomplete_brains, "anna")
    assert example.modalities == ("t1", "t2")
    assert example.swapped.shape == (2, 2, 48, 40)
    file = incomplete_brains.open("anna")
    z = int(file.mask().sum((1, 2)).argmax())
    np.testing.assert_array_equal(example.originals, file.slice(z)[:2])
    present = torch.as_tensor(file.present)[None]
    again = neuroquant.reconstruct(torch.from_numpy(file.volumes())[None], present)[0, :, z]
    for channel in range(2):
        np.testing.assert_allclose(again[channel], example.swapped[channel, channel], atol=1e-5)
