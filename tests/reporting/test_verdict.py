import pytest

from mrisynth_pipeline.reporting.verdict import baseline_warning, imputation_verdict, segmentation_verdict


@pytest.mark.parametrize(
    ("levels", "n_subjects", "headline"),
    [
        ({"codebrain": 26.0, "linear": 23.5}, 8, "CodeBrain beats linear regression by 2.5 dB"),
        ({"codebrain": 26.0, "linear": 23.5}, 4, "CodeBrain is 2.5 dB ahead of linear regression"),
        ({"codebrain": 22.0, "linear": 23.5}, 4, "CodeBrain is 1.5 dB behind linear regression"),
        ({"codebrain": 22.0, "linear": 23.5}, 8, "CodeBrain loses to linear regression by 1.5 dB"),
        ({"codebrain": 23.5, "linear": 23.5}, 4, "CodeBrain is level with linear regression"),
    ],
)  # fmt: skip
def test_headline_says_no_more_than_the_numbers(summary_of, levels, n_subjects, headline):
    sentences = imputation_verdict(summary_of(levels, n_subjects), "codebrain")
    assert sentences[0] == f"{headline} (n = {n_subjects} test subjects)."


def test_the_strongest_other_method_is_the_rival_whatever_its_name(summary_of):
    scores = summary_of({"mine": 25.0, "mean": 19.0, "theirs": 25.5, "truth_copy": 80.0})
    sentences = imputation_verdict(scores, "mine")
    assert sentences[0].startswith("mine is 0.5 dB behind theirs")
    assert "too few" in sentences[2]


def test_a_lone_method_is_not_said_to_beat_anyone(summary_of):
    [headline, _] = imputation_verdict(summary_of({"codebrain": 26.0}), "codebrain")
    assert headline.endswith("no other method was scored.")


def test_measures_that_disagree_are_named(summary_of):
    scores = summary_of({"codebrain": 26.0, "linear": 23.5})
    for entry in scores["comparisons"]:
        if entry["measure"] == "volume_ssim":
            entry["effect_size"] *= -1
    assert "By SSIM the order is the other way round." in imputation_verdict(scores, "codebrain")


@pytest.mark.parametrize("scores", [None, {"methods": {}}])
def test_no_scores_no_claim(scores):
    assert imputation_verdict(scores) == ["No imputation has been scored in this run."]


def test_a_method_that_does_not_beat_the_regression_is_called_broken(summary_of):
    scores = summary_of({"codebrain": 22.0, "linear": 23.5, "mean": 19.0}, n_subjects=2)
    assert "does not beat linear regression" in baseline_warning(scores, "codebrain", "linear")
    assert baseline_warning(scores, "codebrain", "mean") is None
    assert baseline_warning(scores, "codebrain", "absent") is None
    assert baseline_warning(scores, "linear", "linear") is None


def test_segmentation_sentence(segmentation_summary):
    assert segmentation_verdict(segmentation_summary, "codebrain") == (
        "Tumour-core Dice with T1Gd imputed by CodeBrain: 0.50 (real 0.80, blank 0.20): 50 % of the gap closed."
    )
    assert segmentation_verdict(segmentation_summary, "mean") is None
    assert segmentation_verdict(None, "codebrain") is None
