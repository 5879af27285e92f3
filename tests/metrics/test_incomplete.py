"""What missing scans cost: means, losses paired over subjects, and who cannot be trained."""

import pandas as pd
import pytest

from mrisynth_pipeline.metrics.incomplete import summarise_incomplete

SUBJECTS = ["a", "b", "c", "d", "e", "f"]


def scores(variant: str, fraction: float, psnr: dict[str, float], seed: int = 0, fold: int = 0) -> list[dict]:
    return [
        {"variant": variant, "fraction": fraction, "seed": seed, "fold": fold, "subject": subject, "inputs": "t1"}
        | {"target": target, "volume_psnr": value + shift, "slice_psnr": value + 5, "slice_ssim": 80.0}
        for subject, value in psnr.items()
        for target, shift in (("t2", -1.0), ("pd", 1.0))
    ]


def training(variant: str, fraction: float, subjects: int, obstacle: str = "", seed: int = 0) -> dict:
    row = {"variant": variant, "fraction": fraction, "seed": seed, "fold": 0, "hidden_share": fraction}
    return row | {"subjects": subjects, "obstacle": obstacle}


def steady(value: float, **others: float) -> dict[str, float]:
    return {subject: value + 0.1 * number for number, subject in enumerate(SUBJECTS)} | others


@pytest.fixture
def summary() -> dict:
    rows = [
        *scores("mmhvae", 0.0, steady(20.0)),
        *scores("mmhvae", 0.5, steady(19.5)),
        *scores("codebrain", 0.0, steady(22.0)),
        *scores("codebrain", 0.5, steady(20.0)),
        *scores("masked", 0.5, steady(21.0)),
    ]
    trainings = [
        training("mmhvae", 0.0, 10),
        training("mmhvae", 0.5, 10),
        training("codebrain", 0.0, 10),
        training("codebrain", 0.5, 2),
        training("masked", 0.5, 7),
        training("codebrain", 0.7, 0, "none of its 10 subjects has all"),
    ]
    return summarise_incomplete(
        pd.DataFrame(rows),
        pd.DataFrame(trainings),
        {"masked": "codebrain"},
        ("mmhvae", ["codebrain", "masked"]),
        n_resamples=200,
    )


def test_quality_is_the_mean_over_subjects_with_an_interval(summary):
    entry = summary["variants"]["mmhvae"]["0.5"]
    assert entry["psnr"]["mean"] == pytest.approx(19.75)
    assert entry["psnr"]["ci_low"] < 19.75 < entry["psnr"]["ci_high"]
    assert entry["slice_psnr"]["mean"] == pytest.approx(24.75)
    assert entry["subjects"] == 10
    assert summary["n_subjects"] == 6


def test_losses_are_against_the_complete_cohort(summary):
    assert summary["variants"]["mmhvae"]["0.5"]["loss"]["mean"] == pytest.approx(0.5)
    assert summary["variants"]["codebrain"]["0.5"]["loss"]["mean"] == pytest.approx(2.0)
    assert summary["variants"]["mmhvae"]["0"]["loss"] is None


def test_a_variant_that_equals_another_on_complete_data_takes_its_scores(summary):
    assert summary["variants"]["masked"]["0"]["psnr"] == summary["variants"]["codebrain"]["0"]["psnr"]
    assert summary["variants"]["masked"]["0"]["subjects"] == 10
    assert summary["variants"]["masked"]["0.5"]["loss"]["mean"] == pytest.approx(1.0)


def test_who_cannot_be_trained_has_the_reason_in_its_place(summary):
    assert summary["variants"]["codebrain"]["0.7"] == {"obstacle": "none of its 10 subjects has all"}


def test_losses_are_compared_with_the_one_that_was_asked_about(summary):
    tests = {(test["first"], test["second"]): test for test in summary["comparisons"]["0.5"]}
    assert set(tests) == {("codebrain", "mmhvae"), ("masked", "mmhvae")}
    test = tests["codebrain", "mmhvae"]
    assert test["mean_difference"] == pytest.approx(1.5)
    assert test["effect_size"] == -1.0  # every subject: MMHVAE loses less
    assert test["n"] == 6


def test_a_case_is_averaged_over_seeds_first():
    rows = [*scores("mmhvae", 0.0, {"a": 20.0}), *scores("mmhvae", 0.0, {"a": 22.0, "b": 10.0}, seed=1)]
    trainings = pd.DataFrame([training("mmhvae", 0.0, 4), training("mmhvae", 0.0, 4, seed=1)])
    summary = summarise_incomplete(pd.DataFrame(rows), trainings, {}, ("mmhvae", []), n_resamples=100)
    assert summary["variants"]["mmhvae"]["0"]["psnr"]["mean"] == pytest.approx((21.0 + 10.0) / 2)
    assert summary["seeds"] == 2
