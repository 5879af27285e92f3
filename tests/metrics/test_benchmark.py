"""The benchmark's numbers: seeds averaged, failures that are the subject's, costs of what was trained."""

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.benchmark import averaged_over_seeds, summarise_benchmark, worst_imputations
from mrisynth_pipeline.metrics.measures import MEASURES

LEVEL = {"good": 25.0, "linear": 22.0}


@pytest.fixture
def scores() -> pd.DataFrame:
    """Two methods, two seeds, four subjects, two pairs; ``good`` fails on one subject's t2."""
    rows = []
    for method, level in LEVEL.items():
        for seed in (0, 1):
            for number in range(4):
                for inputs, target in (("t1", "t2"), ("t2", "t1")):
                    value = level + 0.1 * number + 0.2 * seed - (3.0 if target == "t1" else 0.0)
                    if method == "good" and number == 2 and target == "t2":
                        value -= 6
                    rows.append(
                        {"variant": method, "method": method, "seed": seed, "fold": number % 2, "subject": f"s{number}"}
                        | {"inputs": inputs, "n_inputs": 1, "target": target, "n_slices": 10 + number, "seconds": 2.0}
                        | {measure.column: value for measure in MEASURES}
                        | {"grey_mae": 100 - value, "core_mae": 300.0 if number == 2 else 100.0}
                    )
    return pd.DataFrame(rows)


@pytest.fixture
def summary(scores):
    limits = scores[scores["variant"] == "linear"].assign(method="blank", volume_psnr=5.0, seed=0)
    limits = limits.drop_duplicates(["subject", "inputs", "target"])
    costs = pd.DataFrame(
        {
            "variant": ["good", "good", "linear", "linear"],
            "seconds": [10.0, 20.0, 1.0, 1.0],
            "parameters": [100, 100, 0, 0],
            "giga_macs": [3.0, 3.0, 0.0, 0.0],
            "peak_mb": [50.0, 70.0, np.nan, np.nan],
            "training_peak_mb": [None] * 4,
        }
    )
    return summarise_benchmark(
        scores, limits, costs, details=["grey_mae", "core_mae", "lpips"], baselines=["linear"], n_worst=3,
        n_resamples=100,
    )  # fmt: skip


def test_seeds_are_averaged(scores):
    averaged = averaged_over_seeds(scores)
    assert len(averaged) == len(scores) / 2
    row = averaged[(averaged["method"] == "linear") & (averaged["subject"] == "s1") & (averaged["target"] == "t2")]
    assert row["volume_psnr"].item() == pytest.approx(22.0 + 0.1 + 0.1)
    assert row["n_slices"].item() == 11


def test_it_counts_subjects_and_seeds(summary):
    assert (summary["seeds"], summary["folds"]) == (2, 2)
    assert summary["scores"]["n_subjects"] == 4
    assert all(entry["n"] == 4 for entry in summary["asked"])
    assert summary["scores"]["methods"]["blank"]["reference"]
    assert "blank" not in summary["trainings"]


def test_the_spread_of_seeds_is_of_their_means(summary):
    assert summary["trainings"]["linear"]["seed_sd"] == pytest.approx(np.std([0.0, 0.2], ddof=1))


def test_costs_are_means_and_what_was_not_measured_is_none(summary):
    good, linear = summary["trainings"]["good"], summary["trainings"]["linear"]
    assert (good["seconds"], good["peak_mb"], good["training_peak_mb"]) == (15.0, 60.0, None)
    assert linear["peak_mb"] is None
    assert good["seconds_per_volume"] == 2.0


def test_details_that_nobody_took_are_left_out(summary):
    assert set(summary["details"]["good"]) == {"grey_mae", "core_mae"}
    assert summary["details"]["good"]["core_mae"]["mean"] == pytest.approx(150.0)


def test_subjects_come_hardest_first(summary):
    assert next(iter(summary["subjects"])) == "s2"


class TestWorst:
    def test_a_failure_is_below_what_is_usual_for_its_pair_not_of_the_hardest_pair(self, scores):
        found = worst_imputations(averaged_over_seeds(scores), "good", ["grey_mae", "core_mae"], 1)
        assert [(case["subject"], case["target"]) for case in found] == [("s2", "t2")]
        [case] = found
        assert case["psnr"] == pytest.approx(25.0 + 0.2 + 0.1 - 6)
        assert case["usual"] == pytest.approx(np.mean([25.1, 25.2, 19.3, 25.4]))
        assert (case["rival"], case["rival_psnr"]) == ("linear", pytest.approx(22.3))
        assert case["region"] == "core"
        assert case["excess"] == pytest.approx(2.0)

    def test_each_subject_and_contrast_is_named_once(self, scores):
        found = worst_imputations(averaged_over_seeds(scores), "good", [], 20)
        assert len(found) == 8
        assert all(case["region"] is None for case in found)

    def test_a_method_alone_has_no_rival(self, scores):
        alone = averaged_over_seeds(scores[scores["variant"] == "good"])
        assert worst_imputations(alone, "good", [], 1)[0]["rival"] is None
