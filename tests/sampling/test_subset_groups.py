"""Groups of input subsets draw what their name says from what each sample has."""

from collections import Counter

import pytest
import torch

from mrisynth_pipeline.sampling.subset_groups import check_groups, draw_group

NAMES = ("us", "t2", "t1c", "flair")


def drawn(group: str, have: list[bool], times: int = 600) -> Counter:
    present = torch.tensor([have]).expand(times, -1)
    subsets = draw_group(group, present, NAMES, torch.Generator().manual_seed(0))
    assert not (subsets & ~present).any()
    return Counter(tuple(row) for row in subsets.int().tolist())


def test_all_is_everything_that_is_there():
    assert set(drawn("all", [True, False, True, True])) == {(1, 0, 1, 1)}


def test_any_is_every_part_of_it_about_as_often():
    found = drawn("any", [True, False, True, True])
    assert len(found) == 6  # the subsets of three but none and all
    assert min(found.values()) > 60


def test_any_of_one_alone_is_that_one():
    assert set(drawn("any", [False, False, True, False])) == {(0, 0, 1, 0)}


def test_a_named_contrast_is_shown_alone():
    assert set(drawn("us", [True] * 4)) == {(1, 0, 0, 0)}


def test_named_contrasts_are_shown_in_all_non_empty_combinations_about_as_often():
    found = drawn("t2+t1c+flair", [True] * 4)
    assert {subset[0] for subset in found} == {0}
    assert len(found) == 7
    assert min(found.values()) > 50


def test_a_sample_without_the_named_ones_gets_some_of_what_it_has():
    assert set(drawn("us", [False, True, True, False])) == {(0, 1, 0, 0), (0, 0, 1, 0)}


def test_the_draw_depends_on_the_generator_alone():
    present = torch.rand(20, 4, generator=torch.Generator().manual_seed(1)) > 0.3
    present[:, 0] = True
    draws = [draw_group("t2+flair", present, NAMES, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draws)


def test_an_unknown_contrast_is_named():
    check_groups(("all", "any", "us+t2"), NAMES)
    with pytest.raises(ValueError, match=r"'us\+pd' names \['pd'\].*us, t2, t1c, flair"):
        check_groups(("us+pd",), NAMES)
