"""Curves and correlations against hand-computed ones, ties and constants included."""

import numpy as np
import pytest
from scipy import stats

from mrisynth_pipeline.metrics.uncertainty import (
    SHARES,
    correlations,
    curve_columns,
    sparsification,
    uncertainty_scores,
)

TEN = np.arange(1.0, 11.0)
"""Ten errors, 1 to 10."""


def test_columns_are_named_by_the_percentage_set_aside():
    assert curve_columns("left")[:4] == ["left_0", "left_5", "left_10", "left_20"]
    assert curve_columns("left")[-1] == "left_90"


def test_setting_the_most_wrong_aside_leaves_the_mean_of_the_others():
    # of ten voxels 0 %, 5 % (not yet one), 10 % (the error 10), 20 % …, 90 % (only the error 1 is left)
    expected = [5.5, 5.5, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0]
    np.testing.assert_allclose(sparsification(TEN, TEN), expected)
    np.testing.assert_allclose(sparsification(TEN, -TEN)[[0, 2, -1]], [5.5, 6.0, 10.0])


def test_shuffled_voxels_give_the_same_curve():
    order = np.random.default_rng(0).permutation(10)
    np.testing.assert_allclose(sparsification(TEN[order], TEN[order] ** 2), sparsification(TEN, TEN))


def test_equally_uncertain_voxels_are_set_aside_at_random():
    np.testing.assert_allclose(sparsification(TEN, np.ones(10)), np.full(len(SHARES), 5.5))
    # the upper five share one uncertainty: 8 on average, however many of them are left
    tied = sparsification(TEN, np.repeat([0.0, 1.0], 5))
    np.testing.assert_allclose(tied[SHARES.index(0.2)], (1 + 2 + 3 + 4 + 5 + 3 * 8) / 8)
    np.testing.assert_allclose(tied[SHARES.index(0.5)], 3.0)


def test_perfect_chance_and_inverse_order():
    perfect, inverse = uncertainty_scores(TEN, TEN / 7), uncertainty_scores(TEN, 11 - TEN)
    assert perfect["spearman"] == perfect["pearson"] == pytest.approx(1)
    assert perfect["ause"] == pytest.approx(0)
    assert inverse["spearman"] == pytest.approx(-1)
    assert inverse["ause"] > 1.5
    generator = np.random.default_rng(0)
    error = generator.random(20_000)
    assert uncertainty_scores(error, generator.random(20_000))["ause"] == pytest.approx(1, abs=0.05)
    assert perfect["error"] == 5.5
    assert perfect["deviation"] == pytest.approx(5.5 / 7)
    assert (perfect["left_10"], perfect["oracle_10"], inverse["left_10"]) == (5.0, 5.0, 6.0)


def test_a_constant_standard_deviation_is_as_good_as_chance_and_has_no_correlation():
    found = uncertainty_scores(TEN, np.full(10, 0.3))
    assert np.isnan(found["spearman"])
    assert np.isnan(found["pearson"])
    assert found["ause"] == pytest.approx(1)
    assert found["left_90"] == 5.5


def test_a_constant_error_leaves_nothing_to_order():
    found = uncertainty_scores(np.zeros(10), TEN)
    assert np.isnan(found["ause"])
    assert np.isnan(found["spearman"])
    assert found["left_50"] == 0


def test_correlations_are_those_of_scipy():
    first, second = np.random.default_rng(1).random((2, 50)).round(1)  # with ties
    spearman, pearson = correlations(first, second)
    assert spearman == pytest.approx(stats.spearmanr(first, second).statistic)
    assert pearson == pytest.approx(stats.pearsonr(first, second).statistic)
    assert np.isnan(correlations(first[:2], second[:2])).all()


@pytest.mark.parametrize(
    ("error", "deviation", "words"),
    [
        ([], [], "nothing to compare"),
        ([1.0, 2.0], [1.0], "2 errors and 1 standard"),
        ([1.0, np.nan], [1.0, 1.0], "finite"),
        ([1.0, 2.0], [-1.0, 1.0], "not below 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(error, deviation, words):
    with pytest.raises(ValueError, match=words):
        uncertainty_scores(np.array(error), np.array(deviation))
