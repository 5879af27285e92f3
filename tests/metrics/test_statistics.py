import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.resampling import mean_with_interval
from mrisynth_pipeline.metrics.segmentation_statistics import summarise_segmentation
from mrisynth_pipeline.metrics.statistics import summarise_scores


class TestInterval:
    def test_covers_the_true_mean_about_as_often_as_promised(self):
        generator = np.random.default_rng(0)
        hits = 0
        for _ in range(200):
            interval = mean_with_interval(generator.normal(5.0, 2.0, size=30), n_resamples=500)
            hits += interval["ci_low"] <= 5.0 <= interval["ci_high"]
        assert 0.88 <= hits / 200 <= 0.99

    def test_is_seeded(self):
        values = np.random.default_rng(0).normal(size=12)
        assert mean_with_interval(values, seed=1) == mean_with_interval(values, seed=1)
        assert mean_with_interval(values, seed=1) != mean_with_interval(values, seed=2)

    def test_numbers(self):
        result = mean_with_interval([1.0, 3.0, np.nan])
        assert (result["n"], result["mean"], result["sd"]) == (2, 2.0, pytest.approx(np.sqrt(2)))
        assert (result["ci_low"], result["ci_high"]) == (1.0, 3.0)

    @pytest.mark.parametrize(("values", "mean"), [([], None), ([3.0], 3.0)])
    def test_claims_no_spread_from_fewer_than_two_subjects(self, values, mean):
        result = mean_with_interval(values)
        assert (result["mean"], result["sd"], result["ci_low"]) == (mean, None, None)

    def test_equal_values_have_a_point_for_an_interval(self):
        assert mean_with_interval([2.0] * 5)["ci_low"] == 2.0


class TestScores:
    def test_slices_are_weighted_within_a_pair_and_pairs_equally(self):
        rows = [
            ("a", "t1", "t2", 10.0, 30),
            ("b", "t1", "t2", 20.0, 10),  # pair mean (10*30 + 20*10) / 40 = 12.5
            ("a", "t2", "t1", 40.0, 30),
            ("b", "t2", "t1", 40.0, 10),
        ]
        scores = pd.DataFrame(rows, columns=["subject", "inputs", "target", "slice_psnr", "n_slices"])
        others = ["slice_ssim", "slice_mae", "volume_psnr", "volume_ssim", "volume_mae"]
        scores = scores.assign(method="m", n_inputs=1, **dict.fromkeys(others, 1.0))
        summary = summarise_scores(scores)
        method = summary["methods"]["m"]
        assert [entry["slice"]["psnr"] for entry in method["by_pair"]] == [12.5, 40.0]
        assert method["overall"]["slice"]["psnr"] == pytest.approx(26.25)
        assert (summary["n_slices"], method["by_pair"][0]["n_slices"]) == (40, 40)

    def test_volume_numbers_are_over_subjects(self, make_scores):
        scores = make_scores({"m": 0.0}, n_subjects=5)
        psnr = summarise_scores(scores)["methods"]["m"]["overall"]["volume"]["psnr"]
        per_subject = scores.groupby("subject")["volume_psnr"].mean()
        assert psnr["n"] == 5
        assert psnr["mean"] == pytest.approx(per_subject.mean())
        assert psnr["sd"] == pytest.approx(per_subject.std())
        assert psnr["ci_low"] < psnr["mean"] < psnr["ci_high"]

    def test_breakdowns_count_the_scenarios_of_the_cohort(self, make_scores):
        method = summarise_scores(make_scores({"m": 0.0}))["methods"]["m"]
        assert method["n_pairs"] == len(method["by_pair"]) == 9
        assert [(entry["n_inputs"], entry["n_pairs"]) for entry in method["by_n_inputs"]] == [(1, 6), (2, 3)]
        assert {entry["target"]: entry["n_pairs"] for entry in method["by_target"]} == {
            "t1": 3,
            "t2": 3,
            "pd": 3,
        }
        four = make_scores({"m": 0.0}, modalities=("t1", "t1c", "t2", "flair"), n_subjects=2)
        assert summarise_scores(four)["n_pairs"] == 28

    def test_references_are_reported_but_never_compared(self, make_scores):
        summary = summarise_scores(make_scores({"new": 2.0, "old": 0.0, "truth_copy": 50.0, "stage1": 9.0}))
        assert {name for name, entry in summary["methods"].items() if entry["reference"]} == {
            "truth_copy", "stage1"
        }  # fmt: skip
        assert {(entry["first"], entry["second"]) for entry in summary["comparisons"]} == {("new", "old")}
        assert [e["measure"] for e in summary["comparisons"]] == ["volume_psnr", "volume_ssim", "volume_mae"]

    def test_survives_json(self, make_scores):
        summary = summarise_scores(make_scores({"m": 0.0, "n": 1.0}, n_subjects=1))
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary

    def test_uneven_coverage_is_called_out(self, make_scores):
        scores = make_scores({"full": 0.0, "part": 1.0})
        assert summarise_scores(scores)["warnings"] == []
        [warning] = summarise_scores(scores.iloc[:-1])["warnings"]
        assert "part was scored on 35 of 36" in warning

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda scores: scores.drop(columns="n_slices"), "lacks the columns"),
            (lambda scores: scores.iloc[:0], "empty"),
            (lambda scores: pd.concat([scores, scores.iloc[:1]]), "scored twice"),
            (lambda scores: scores.assign(slice_mae=np.nan), "NaN"),
        ],
    )
    def test_a_table_that_would_mislead_is_refused(self, make_scores, spoil, message):
        with pytest.raises(ValueError, match=message):
            summarise_scores(spoil(make_scores({"m": 0.0})))


class TestSegmentation:
    @pytest.fixture
    def scores(self):
        rows = []
        for subject, shift in (("a", 0.0), ("b", 0.1)):
            rows += [("real", subject, "none", "TC", 0.8 + shift, 3.0)]
            for method, dice in (("zero", 0.1), ("codebrain", 0.6)):
                rows += [(method, subject, "t1c", "TC", dice + shift, np.nan if shift else 9.0)]
                rows += [(method, subject, "t2", "TC", 0.8 + shift, 3.0)]
        return pd.DataFrame(rows, columns=["method", "subject", "missing", "region", "dice", "hd95_mm"])

    @staticmethod
    def row(summary, method, missing):
        [row] = [row for row in summary["rows"] if (row["method"], row["missing"]) == (method, missing)]
        return row

    def test_gap_closed(self, scores):
        summary = summarise_segmentation(scores)
        assert summary["missing"] == ["t1c", "t2"]
        assert self.row(summary, "codebrain", "t1c")["gap_closed"] == pytest.approx(0.5 / 0.7)
        assert self.row(summary, "zero", "t1c")["gap_closed"] is None

    def test_no_share_of_a_gap_that_does_not_exist(self, scores):
        assert self.row(summarise_segmentation(scores), "codebrain", "t2")["gap_closed"] is None

    def test_undefined_distances_are_counted_not_averaged(self, scores):
        row = self.row(summarise_segmentation(scores), "zero", "t1c")
        assert row["hd95_mm"] == {"n": 1, "median": 9.0, "n_undefined": 1}
        assert row["dice"]["mean"] == pytest.approx(0.15)

    def test_survives_json(self, scores):
        summary = summarise_segmentation(scores)
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda scores: scores.drop(columns="dice"), "lacks the columns"),
            (lambda scores: scores.iloc[:0], "empty"),
            (lambda scores: pd.concat([scores, scores]), "twice"),
        ],
    )
    def test_a_table_that_would_mislead_is_refused(self, scores, spoil, message):
        with pytest.raises(ValueError, match=message):
            summarise_segmentation(spoil(scores))
