"""Draws for subjects that lack modalities."""

import pytest
import torch

from mrisynth_pipeline.sampling.availability import draw_inputs, draw_pairs


def test_pairs_are_two_different_modalities_that_are_there_each_as_often():
    present = torch.tensor([[True, False, True, True]]).expand(3000, -1)
    pairs = draw_pairs(present, torch.Generator().manual_seed(0))
    assert (pairs[:, 0] != pairs[:, 1]).all()
    counts = torch.stack([(pairs[:, 0] == m).float().mean() for m in range(4)])
    assert counts[1] == 0
    assert ((counts[[0, 2, 3]] - 1 / 3).abs() < 0.04).all()


def test_one_modality_is_no_pair():
    with pytest.raises(ValueError, match="1 of the 2 samples have fewer than two modalities"):
        draw_pairs(torch.tensor([[True, True, False], [False, True, False]]), torch.Generator())


def test_inputs_are_some_but_not_all_of_what_is_there_each_subset_as_often():
    present = torch.tensor([[True, False, True, True]]).expand(1200, -1)
    inputs = draw_inputs(present, torch.Generator().manual_seed(0))
    assert not inputs[:, 1].any()
    subsets, counts = inputs.unique(dim=0, return_counts=True)
    assert len(subsets) == 6
    assert ((counts / 1200 - 1 / 6).abs() < 0.05).all()


def test_the_only_modality_stays_and_none_is_refused():
    alone = torch.tensor([[False, True, False]])
    assert torch.equal(draw_inputs(alone, torch.Generator()), alone)
    with pytest.raises(ValueError, match="no modality at all"):
        draw_inputs(torch.zeros(1, 3, dtype=torch.bool), torch.Generator())
