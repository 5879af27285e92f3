"""What the tables of doubt say in sum, and that it is said only where the subjects agree."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.uncertainty import uncertainty_scores
from mrisynth_pipeline.metrics.uncertainty_statistics import summarise_temperatures, summarise_uncertainty

MODALITIES = ("t1", "t2", "pd")
QUICK = {"n_resamples": 200}


def table(deviation_of, n_subjects=4, modalities=MODALITIES, level=lambda subject: 1 + 0.2 * subject):
    """Errors 0.01 to 0.1, larger by subject; the deviation as a function of the errors and the number of inputs."""
    rows = []
    for subject, size in itertools.product(range(n_subjects), range(1, len(modalities))):
        for subset in itertools.combinations(modalities, size):
            for target in [name for name in modalities if name not in subset]:
                error = level(subject) * np.linspace(0.01, 0.1, 40) / size
                rows.append(
                    {"method": "mmhvae", "subject": f"s{subject}", "inputs": "+".join(subset)}
                    | {"n_inputs": size, "target": target, "temperature": 1.0, "n_samples": 8}
                    | uncertainty_scores(error, deviation_of(error, size))
                )
    return pd.DataFrame(rows)


def test_deviations_that_are_the_errors_order_them():
    found = summarise_uncertainty(table(lambda error, size: error), **QUICK)
    assert found["finding"] == "orders"
    assert found["overall"]["spearman"]["mean"] == pytest.approx(1)
    assert (found["n_subjects"], found["n_scans"], found["n_constant"]) == (4, 4 * 9, 0)
    # errors 1 to 10 in 40 steps: the mean of all is 5.5, of the lower 36 of 40 (1 + 9·35/39)/2 + …
    kept = np.linspace(0.01, 0.1, 40)[:36].mean() / np.linspace(0.01, 0.1, 40).mean()
    assert found["lowered"]["10"]["mean"] == pytest.approx(1 - kept)
    half = found["curve"][6]
    assert half["share"] == 0.5
    assert half["method"]["mean"] == pytest.approx(half["oracle"]["mean"])
    assert half["random"] == 1.0
    assert found["across_scans"]["all"]["pearson"]["value"] == pytest.approx(1)
    assert found["across_scans"]["same_pair"]["pearson"]["value"] == pytest.approx(1)
    json.dumps(found, allow_nan=False)


def test_the_wrong_way_round_is_said():
    found = summarise_uncertainty(table(lambda error, size: 0.2 - error), **QUICK)
    assert found["finding"] == "inverts"
    assert found["lowered"]["10"]["mean"] < 0


@pytest.mark.parametrize(
    ("deviation_of", "words"),
    [
        (lambda error, size: error, "falls"),
        (lambda error, size: error * size**2, "rises"),
        (lambda error, size: np.linspace(0, 1, 40), "open"),
    ],
)
def test_a_further_input_makes_surer_or_not(deviation_of, words):
    found = summarise_uncertainty(table(deviation_of), **QUICK)
    [step] = found["steps"]
    assert (step["fewer"], step["more"], step["finding"]) == (1, 2, words)
    assert [entry["n_inputs"] for entry in found["by_n_inputs"]] == [1, 2]


def test_a_step_compares_the_same_contrasts():
    scores = table(lambda error, size: error)
    scores.loc[scores["target"] == "pd", "deviation"] += 10  # unsure of pd, which only some subsets lack
    few = scores[scores["inputs"].isin(["t1", "t1+t2"])]
    [step] = summarise_uncertainty(few, **QUICK)["steps"]
    assert step["finding"] == "falls", "pd from t1 and from t1+t2; t2 from t1 alone has nothing to be compared with"


def test_a_constant_deviation_is_counted_and_has_no_correlation():
    found = summarise_uncertainty(table(lambda error, size: np.full(40, 0.1)), **QUICK)
    assert found["n_constant"] == found["n_scans"]
    assert found["overall"]["spearman"]["mean"] is None
    assert found["finding"] == "open"
    assert found["across_scans"]["all"]["spearman"]["value"] is None
    assert found["overall"]["ause"]["mean"] == pytest.approx(1)
    json.dumps(found, allow_nan=False)


def test_one_subject_has_no_intervals_and_opens_every_question():
    found = summarise_uncertainty(table(lambda error, size: error, n_subjects=1), **QUICK)
    assert found["finding"] == "open"
    assert found["across_scans"]["all"]["pearson"] == {"value": pytest.approx(1), "ci_low": None, "ci_high": None}
    assert found["across_scans"]["same_pair"]["pearson"]["value"] is None
    json.dumps(found, allow_nan=False)


def test_wrong_tables_are_refused():
    scores = table(lambda error, size: error, n_subjects=1)
    for wrong, words in (
        (scores.drop(columns="left_10"), "lacks the columns"),
        (scores.iloc[:0], "empty"),
        (pd.concat([scores, scores.assign(method="other")]), "several methods"),
        (pd.concat([scores, scores]), "scored twice"),
    ):
        with pytest.raises(ValueError, match=words):
            summarise_uncertainty(wrong)


class TestTemperatures:
    @staticmethod
    def scores(single=lambda t: 25 - 4 * t, mean=lambda t: 25 - (t - 0.7) ** 2):
        rows = [
            {
                "method": "mmhvae",
                "subject": f"s{subject}",
                "inputs": "t1",
                "n_inputs": 1,
                "target": target,
                "n_samples": 8,
            }
            | {"temperature": t, "mean_psnr": mean(t) + subject, "single_psnr": single(t) + subject, "deviation": t}
            for subject, target, t in itertools.product(range(3), ("t2", "pd"), (0.0, 0.7, 1.0))
        ]
        return pd.DataFrame(rows)

    def test_the_best_is_found_and_what_the_others_cost(self):
        found = summarise_temperatures(self.scores(), **QUICK)
        assert found["best"] == {"mean_psnr": 0.7, "single_psnr": 0.0}
        assert [entry["temperature"] for entry in found["temperatures"]] == [0.0, 0.7, 1.0]
        assert found["temperatures"][1]["mean_psnr"]["mean"] == pytest.approx(26)
        assert found["cost"][2]["single_psnr"]["mean"] == pytest.approx(4)
        assert found["cost"][2]["single_psnr"]["sd"] == pytest.approx(0, abs=1e-9), "paired over subjects"
        json.dumps(found, allow_nan=False)

    def test_a_temperature_twice_is_refused(self):
        with pytest.raises(ValueError, match="scored twice"):
            summarise_temperatures(pd.concat([self.scores()] * 2))
