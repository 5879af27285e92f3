"""Subsets of available modalities."""

import pytest
import torch

from mrisynth_pipeline.sampling.availability import (
    all_subsets,
    draw_subsets,
    example_subsets,
    parse_subset,
    subset_name,
)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_every_subset_with_something_there_and_something_missing(n):
    subsets = all_subsets(n)
    assert len(subsets) == 2**n - 2 == len(subsets.unique(dim=0))
    assert subsets.any(1).all()
    assert not subsets.all(1).any()
    assert (subsets.sum(1).diff() >= 0).all()


def test_the_published_numbers_of_pairs():
    assert (~all_subsets(3)).sum() == 9  # IXI
    assert (~all_subsets(4)).sum() == 28  # BraTS


def test_one_modality_leaves_nothing_to_impute():
    with pytest.raises(ValueError, match="at least two"):
        all_subsets(1)


def test_draws_are_uniform_per_sample_and_seeded():
    draws = draw_subsets(14_000, 4, torch.Generator().manual_seed(0))
    _, counts = draws.unique(dim=0, return_counts=True)
    assert len(counts) == 14
    assert counts.min() > 850  # expected 1000, standard deviation 30
    assert counts.max() < 1150
    assert torch.equal(draws[:100], draw_subsets(14_000, 4, torch.Generator().manual_seed(0))[:100])


def test_names_and_subsets_are_inverse():
    modalities = ("t1", "t1c", "t2", "flair")
    for subset in all_subsets(4):
        assert torch.equal(parse_subset(subset_name(subset.tolist(), modalities), modalities), subset)


def test_a_misspelt_subset_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match="t1, t2"):
        parse_subset("t1+dwi", ("t1", "t2"))
    with pytest.raises(ValueError, match="nothing to impute"):
        parse_subset("t1+t2", ("t1", "t2"))


def test_examples_are_the_first_alone_and_all_but_the_second():
    assert [s.tolist() for s in example_subsets(("t1", "t2", "pd"))] == [[True, False, False], [True, False, True]]
    assert [s.tolist() for s in example_subsets(("t1", "t2"))] == [[True, False]]
