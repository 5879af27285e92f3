import numpy as np
import pytest
from scipy import stats

from mrisynth_pipeline.metrics.comparison import compare_methods, holm, wilcoxon_signed_rank


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [  # the last line: statsmodels.stats.multitest.multipletests(raw, method="holm")[1]
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.6, 0.5], [1.0, 1.0]),
        ([0.001, 0.02, 0.02, 0.2, 0.012], [0.005, 0.06, 0.06, 0.2, 0.048]),
        ([], []),
    ],
)
def test_holm(raw, adjusted):
    assert holm(raw) == pytest.approx(adjusted)


def test_wilcoxon_of_unanimous_subjects():
    assert wilcoxon_signed_rank([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == {
        "n": 6, "n_nonzero": 6, "p": pytest.approx(2 / 64), "effect_size": 1.0
    }  # fmt: skip


def test_wilcoxon_with_ties_is_exact():
    differences = np.array([1.0, 1.0, 1.0, -1.0, 2.0, 3.0])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T
    ranks = stats.rankdata(np.abs(differences))
    null = (ranks * (signs > 0)).sum(axis=1)
    observed = ranks[differences > 0].sum()
    expected = 2 * min((null >= observed).mean(), (null <= observed).mean())
    result = wilcoxon_signed_rank(differences)
    assert result["p"] == pytest.approx(expected)
    assert result["effect_size"] == pytest.approx((2 * observed - ranks.sum()) / ranks.sum())


def test_zero_differences_are_set_aside():
    with_zeros = wilcoxon_signed_rank([0.0, 0.0, 1.0, 2.0, -3.0, 4.0])
    without = wilcoxon_signed_rank([1.0, 2.0, -3.0, 4.0])
    assert (with_zeros["n"], with_zeros["n_nonzero"]) == (6, 4)
    assert (with_zeros["p"], with_zeros["effect_size"]) == (without["p"], without["effect_size"])


def test_one_subject_proves_nothing():
    assert wilcoxon_signed_rank([-2.0]) == {"n": 1, "n_nonzero": 1, "p": 1.0, "effect_size": -1.0}


def test_no_difference_at_all():
    assert wilcoxon_signed_rank([0.0, 0.0]) == {"n": 2, "n_nonzero": 0, "p": 1.0, "effect_size": 0.0}


def test_large_samples_agree_with_scipy():
    differences = np.random.default_rng(0).normal(0.2, size=40)
    assert wilcoxon_signed_rank(differences)["p"] == pytest.approx(stats.wilcoxon(differences).pvalue)


def test_subjects_not_rows_are_the_samples(make_scores):
    [entry] = compare_methods(
        make_scores({"good": 2.0, "poor": 0.0}, n_subjects=8), ["good", "poor"], "volume_psnr",
        higher_is_better=True,
    )  # fmt: skip
    assert entry["n"] == 8  # 72 rows per method
    assert entry["mean_difference"] == pytest.approx(2.0, abs=0.02)
    assert entry["effect_size"] == 1.0
    assert entry["p"] == entry["p_holm"] == pytest.approx(2 / 2**8)
    assert entry["significant"] and entry["note"] == ""


def test_effect_size_is_positive_for_the_better_method_when_low_is_good(make_scores):
    scores = make_scores({"good": 2.0, "poor": 0.0})
    [entry] = compare_methods(scores, ["good", "poor"], "volume_mae", higher_is_better=False)
    assert entry["effect_size"] == 1.0
    assert entry["mean_difference"] < 0


@pytest.mark.parametrize(
    ("n_subjects", "n_methods", "reachable"), [(5, 2, False), (6, 2, True), (6, 3, False), (7, 3, True)]
)
def test_too_few_subjects_are_called_so(make_scores, n_subjects, n_methods, reachable):
    methods = {f"method{number}": 3.0 * number for number in range(n_methods)}
    entries = compare_methods(make_scores(methods, n_subjects), list(methods), "volume_psnr", higher_is_better=True)
    assert all((entry["note"] == "") is reachable for entry in entries)
    assert any(entry["significant"] for entry in entries) is reachable


def test_only_imputations_that_both_methods_made_are_paired(make_scores):
    scores = make_scores({"first": 1.0, "second": 0.0})
    lost = (scores["method"] == "second") & (scores["target"] == "pd")
    scores.loc[scores["method"].eq("first") & scores["target"].eq("pd"), "volume_psnr"] = 1000.0
    [entry] = compare_methods(scores[~lost], ["first", "second"], "volume_psnr", higher_is_better=True)
    assert entry["mean_difference"] == pytest.approx(1.0, abs=0.05)


def test_against_one_reference_every_other_is_one_question(make_scores):
    gains = {"plain": 0.0, "better": 1.0, "worse": -1.0, "alike": 0.0}
    entries = compare_methods(
        make_scores(gains, n_subjects=9), list(gains), "volume_psnr", higher_is_better=True, reference="plain"
    )
    assert [(entry["first"], entry["second"]) for entry in entries] == [
        (name, "plain") for name in ("better", "worse", "alike")
    ]
    assert [round(entry["mean_difference"]) for entry in entries] == [1, -1, 0]
    assert entries[0]["p"] == pytest.approx(2 / 2**9)
    assert entries[0]["p_holm"] == pytest.approx(3 * 2 / 2**9), "a family of three, not of six"


def test_a_reference_that_was_never_scored_is_compared_with_nobody(make_scores):
    scores = make_scores({"good": 1.0, "poor": 0.0})
    assert compare_methods(scores, ["good", "poor"], "volume_psnr", higher_is_better=True, reference="lost") == []
