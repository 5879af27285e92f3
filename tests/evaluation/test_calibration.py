"""Expected errors are fitted on held-out subjects, hold on others, and nobody is asked for what is not there."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage

from mrisynth_pipeline.evaluation.calibration import (
    EXPECTED,
    SPREAD,
    _isotonic,
    fit_expected_error,
    fit_target,
    score_expected_error,
)
from mrisynth_pipeline.evaluation.imputed_scans import (
    ImputedScan,
    calibration_subsets,
    imputed_scans,
    subsets_to_ask,
)
from mrisynth_pipeline.evaluation.parameters import PackagingParameters
from mrisynth_pipeline.metrics.error_features import feature_names
from mrisynth_pipeline.metrics.expected_error import ExpectedError
from mrisynth_pipeline.metrics.reliability import summarise_expected_errors
from mrisynth_pipeline.models.door import Imputer, impute_volume
from mrisynth_pipeline.models.doubt import spread_volume
from mrisynth_pipeline.sampling.availability import subset_name

CONTRASTS = ("t1", "t2", "pd")
PARAMETERS = PackagingParameters(subjects=1, test_subjects=1, slices=8, n_samples=2, test_inputs=None)


@pytest.fixture(scope="module")
def expected(brains, doubtful):
    return fit_expected_error(doubtful(CONTRASTS), brains, ["anna"], [], PARAMETERS)


@pytest.fixture(scope="module")
def scores(brains, doubtful, expected):
    return score_expected_error(doubtful(CONTRASTS), expected, brains, ["bert", "same"], PARAMETERS)


def test_subsets_are_each_alone_and_all_but_one():
    four = ("t1", "t1c", "t2", "flair")
    names = [subset_name(subset.tolist(), four) for subset in calibration_subsets([], four)]
    assert {name for name in names if "+" not in name} == set(four)
    assert sum(name.count("+") == 2 for name in names) == 4
    assert len(names) == 8
    assert len(names) == len(set(names))
    assert [s.tolist() for s in calibration_subsets(["t2"], CONTRASTS)] == [[False, True, False]]


def test_features_are_those_that_apply_measures(brains, doubtful, expected):
    method, file = doubtful(CONTRASTS), brains.open("bert")
    every = PARAMETERS.model_copy(update={"slices": None, "voxels": 10**6, "inputs": ("t1+t2",)})
    [scan] = imputed_scans(method, file, subsets_to_ask(method, file, every), every, 16)
    volumes, available, mask = torch.from_numpy(file.volumes()), torch.tensor([True, True, False]), file.mask()
    spread = spread_volume(method, volumes, available, every.n_samples, 16, every.seed)[2]
    imputed = impute_volume(method, volumes, available)[2]
    found = expected.apply("pd", imputed, spread, volumes, available, mask, (3.0, 3.0, 4.0))
    area = mask.sum((1, 2))
    kept = mask & (area >= 0.2 * area.max())[:, None, None]
    by_row = expected.targets["pd"].of_features(scan.features)
    np.testing.assert_allclose(np.sort(found[kept])[::97], np.sort(by_row)[::97], atol=0.02)
    assert scan.error.mean() == pytest.approx(float((imputed - volumes[2]).abs().numpy()[kept].mean()), rel=1e-5)


def test_orders_and_predicts_errors_of_another_subject(scores):
    assert set(scores["subject"]) == {"bert"}
    assert not scores.duplicated(["inputs", "target", "ordered_by"]).any()
    summary = summarise_expected_errors(scores)
    rows = pd.DataFrame(summary["rows"]).set_index(["target", "ordered_by"])
    for target in CONTRASTS:
        found, spread = rows.loc[(target, EXPECTED)], rows.loc[(target, SPREAD)]
        assert found["spearman"] > 0.8, "what the toy gets wrong is a matter of intensities"
        assert found["ause"] < 0.2
        assert found["ause"] < spread["ause"]
        assert found["falls"] == 1
        assert found["calibration_error"] < 0.15 * found["error"]
        assert found["expected"] == pytest.approx(found["error"], rel=0.1)
        assert spread["calibration_error"] > found["calibration_error"]
    json.dumps(summary)


def test_typical_is_between_the_means_of_the_scans(expected, brains, doubtful):
    means = {name: [] for name in CONTRASTS}
    method, file = doubtful(CONTRASTS), brains.open("anna")
    for scan in imputed_scans(method, file, subsets_to_ask(method, file, PARAMETERS), PARAMETERS, 16):
        means[scan.target].append(float(expected.targets[scan.target].of_features(scan.features).mean()))
    for target, values in means.items():
        assert expected.typical(target) == pytest.approx((np.median(values), np.quantile(values, 0.9)))


def test_the_record_in_a_card_gives_the_same_map(expected):
    assert ExpectedError.of(json.loads(json.dumps(expected.record()))) == expected
    assert expected.subjects == 1


def test_without_anybody_nothing_is_calibrated(brains, doubtful):
    nothing = fit_expected_error(doubtful(CONTRASTS), brains, [], ["bert"], PARAMETERS)
    assert not any(nothing.covers(name) for name in CONTRASTS)
    assert nothing.subjects == 0
    assert score_expected_error(doubtful(CONTRASTS), nothing, brains, ["bert"], PARAMETERS).empty


def test_what_was_never_scanned_is_neither_given_nor_calibrated(incomplete_brains, doubtful):
    found = fit_expected_error(doubtful(CONTRASTS), incomplete_brains, ["anna"], [], PARAMETERS)
    assert {name for name in CONTRASTS if found.covers(name)} == {"t1", "t2"}


class TestTrainingSubjects:
    """Voxels whose error is a multiple of one feature, larger or smaller in them than in a validation subject."""

    @staticmethod
    def scan(subject, size, inputs="t2"):
        rng = np.random.default_rng(len(subject))
        features = rng.random((len(feature_names("t1", CONTRASTS)), 2000)).astype(np.float32)
        error = (size * features[0]).astype(np.float32)
        return ImputedScan(subject, inputs, "t1", features, error, features[1], features[2])

    def test_small_errors_of_theirs_are_scaled_up_to_those_of_validation_subjects(self):
        held_out, small = [self.scan("anna", 0.2)], [self.scan("bo", 0.05), self.scan("cleo", 0.05)]
        model = fit_target("t1", CONTRASTS, held_out, small)
        assert model.of_features(held_out[0].features).mean() == pytest.approx(0.1, rel=0.05)

    def test_large_ones_stay_and_are_reckoned_with(self):
        held_out, large = [self.scan("anna", 0.05)], [self.scan("bo", 0.2), self.scan("cleo", 0.2)]
        model = fit_target("t1", CONTRASTS, held_out, large)
        assert model.of_features(held_out[0].features).mean() == pytest.approx((0.025 + 0.1 + 0.1) / 3, rel=0.1)

    def test_other_inputs_tell_nothing_of_their_size(self):
        held_out, other = [self.scan("anna", 0.2)], [self.scan("bo", 0.05, "pd"), self.scan("cleo", 0.05, "pd")]
        model = fit_target("t1", CONTRASTS, held_out, other)
        assert model.of_features(held_out[0].features).mean() == pytest.approx((0.1 + 0.025 + 0.025) / 3, rel=0.1)

    def test_each_is_asked_some_sets_of_inputs_and_together_they_are_asked_all(self, brains, doubtful, monkeypatch):
        asked = {}

        def noted(method, file, subsets, parameters, batch_size):
            asked[file.metadata["subject"]] = [subset_name(s.tolist(), CONTRASTS) for s in subsets]
            return imputed_scans(method, file, subsets, parameters, batch_size)

        monkeypatch.setattr("mrisynth_pipeline.evaluation.calibration.imputed_scans", noted)
        parameters = PARAMETERS.model_copy(update={"training_inputs": 3})
        fit_expected_error(doubtful(CONTRASTS), brains, ["anna"], ["bert", "same"], parameters)
        every = [subset_name(s.tolist(), CONTRASTS) for s in calibration_subsets([], CONTRASTS)]
        assert asked["anna"] == every
        assert asked["bert"] + asked["same"] == every


def test_the_calibration_keeps_the_order_of_the_trees():
    """Where errors do not grow with what trees say, a stretch has one knot, and the map rises through it."""
    score = np.linspace(0, 1, 6400)
    error = np.where(score < 0.5, 0.1, score)
    knots, heights = _isotonic(score, error)
    assert (np.diff(heights) > 0).all()
    assert knots[0] == pytest.approx(0.25, abs=0.02)
    assert heights[0] == pytest.approx(0.1)


def test_unknown_inputs_are_refused_before_anything_is_imputed(brains, doubtful):
    wrong = PARAMETERS.model_copy(update={"inputs": ("t1+dwi",)})
    with pytest.raises(ValueError, match="dwi"):
        fit_expected_error(doubtful(CONTRASTS), brains, ["anna"], [], wrong)


class Blurred(Imputer):
    """A 3D method without draws: the first contrast that is there, blurred."""

    name = "blurred"

    def __init__(self):
        super().__init__(CONTRASTS, spatial_dims=3)

    def predict(self, images, available):
        first = images[:, available[0].nonzero()[0]].numpy()
        return torch.from_numpy(ndimage.gaussian_filter(first, (0, 0, 1, 1, 1))).expand_as(images)


def test_a_method_on_volumes_that_draws_nothing_is_calibrated_too(brains):
    few = PARAMETERS.model_copy(update={"inputs": ("t1",)})
    expected = fit_expected_error(Blurred(), brains, ["anna"], [], few)
    scores = score_expected_error(Blurred(), expected, brains, ["bert"], few)
    assert set(scores["target"]) == {"t2", "pd"}
    assert (scores.loc[scores["ordered_by"] == EXPECTED, "spearman"] > 0.5).all()
