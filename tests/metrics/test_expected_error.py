"""Trees and calibration survive JSON, know their features, and stay within what was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from mrisynth_pipeline.metrics.boosted_trees import BoostedTrees, Tree
from mrisynth_pipeline.metrics.error_features import depth_mm, feature_names, voxel_features
from mrisynth_pipeline.metrics.expected_error import ExpectedError, TargetError

MODALITIES = ("t1", "t2", "pd")
SPACING = (1.0, 2.0, 3.0)


def some_samples(n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    features = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
    return features, np.exp(features[:, 0]) * (features[:, 1] > 0)


class TestTrees:
    def test_are_those_of_scikit_learn(self, monkeypatch):
        features, target = some_samples()
        fitted = []
        fit = GradientBoostingRegressor.fit
        monkeypatch.setattr(GradientBoostingRegressor, "fit", lambda self, *a: fitted.append(self) or fit(self, *a))
        trees = BoostedTrees.fitted(features, target, seed=1)
        np.testing.assert_allclose(trees.predict(features), fitted[0].predict(features), atol=2e-4)
        assert np.corrcoef(trees.predict(features), target)[0, 1] > 0.9

    def test_survive_json(self):
        features, target = some_samples()
        trees = BoostedTrees.fitted(features, target, seed=0)
        again = BoostedTrees.of(json.loads(json.dumps(trees.record())))
        assert again == trees
        assert np.array_equal(again.predict(features), trees.predict(features))

    @pytest.mark.parametrize(
        "change",
        [{"left": (0, 1, 2)}, {"left": (7, 1, 2)}, {"value": (0.0, 1.0)}, {"threshold": (float("nan"), 0.0, 0.0)}],
    )
    def test_that_do_not_lead_to_leaves_are_refused(self, change):
        tree = Tree((0, -1, -1), (0.5, 0.0, 0.0), (1, 1, 2), (2, 1, 2), (0.0, 1.0, 2.0))
        assert BoostedTrees(1.0, (tree,)).predict(np.array([[0.5], [0.6]])).tolist() == [2.0, 3.0]
        with pytest.raises(ValueError, match="no tree"):
            replace(tree, **change)


def stump(feature: int, threshold: float) -> BoostedTrees:
    return BoostedTrees(0.0, (Tree((feature, -1, -1), (threshold, 0.0, 0.0), (1, 1, 2), (2, 1, 2), (0.0, 1.0, 3.0)),))


def calibration(feature: str = "intensity", threshold: float = 0.5) -> ExpectedError:
    names = feature_names("t2", MODALITIES)
    model = TargetError(names, stump(names.index(feature), threshold), (1.0, 2.0), (0.1, 0.4), (0.2, 0.3), 0.5)
    return ExpectedError(MODALITIES, {"t2": model}, subjects=2)


def box() -> np.ndarray:
    mask = np.zeros((4, 12, 16), bool)
    mask[1:3, 2:-2, 2:-2] = True
    return mask


class TestExpectedError:
    available = np.array([True, False, True])

    def applied(self, expected: ExpectedError, imputed: np.ndarray, mask: np.ndarray, inputs=None) -> np.ndarray:
        inputs = np.zeros((3, *mask.shape), np.float32) if inputs is None else inputs
        return expected.apply("t2", imputed, np.zeros_like(imputed), inputs, self.available, mask, SPACING)

    def test_is_what_the_knots_say_inside_the_mask_and_0_outside(self):
        mask = box()
        imputed = np.where(np.arange(16) < 8, 0.2, 0.9) * np.ones(mask.shape)
        found = self.applied(calibration(), imputed, mask)
        assert found.dtype == np.float32
        assert (found[~mask] == 0).all()
        np.testing.assert_allclose(found[1, 5, [4, 11]], [0.1, 0.4], err_msg="3.0 lies beyond the last knot")

    def test_missing_channels_are_not_looked_at(self):
        mask, inputs = box(), np.random.default_rng(0).random((3, 4, 12, 16)).astype(np.float32)
        expected = calibration("value_t1", 0.5)
        found = self.applied(expected, inputs[0], mask, inputs)
        inputs[1] = np.nan
        np.testing.assert_array_equal(found, self.applied(expected, inputs[0], mask, inputs))
        np.testing.assert_allclose(found[mask], np.where(inputs[0] > 0.5, 0.4, 0.1)[mask])

    def test_survives_json_and_says_what_it_covers(self):
        expected = calibration()
        again = ExpectedError.of(json.loads(json.dumps(expected.record())))
        assert again == expected
        assert (again.covers("t2"), again.covers("t1")) == (True, False)
        assert again.typical("t2") == (0.2, 0.3)
        for call in (lambda: again.typical("t1"), lambda: self.applied(ExpectedError(MODALITIES, {}, 0), box(), box())):
            with pytest.raises(ValueError, match="not calibrated"):
                call()

    def test_of_other_features_is_refused(self):
        record = calibration().record()
        record["targets"]["t2"]["features"][0] = "something_else"
        with pytest.raises(ValueError, match="other features"):
            ExpectedError.of(record)
        with pytest.raises(ValueError, match="no record"):
            ExpectedError.of({"targets": {"t2": {}}})

    @pytest.mark.parametrize("change", [{"error": (0.4, 0.1)}, {"score": (1.0, 1.0)}, {"typical": (0.1,)}])
    def test_knots_that_do_not_rise_are_refused(self, change):
        with pytest.raises(ValueError, match="no calibration"):
            replace(calibration().targets["t2"], **change)


class TestFeatures:
    def test_depth_is_in_mm_along_every_axis(self):
        mask = np.zeros((9, 9, 9), bool)
        mask[4, 4, 4] = mask[4, 4, 3] = mask[4, 4, 5] = True
        assert depth_mm(mask, (5.0, 1.5, 9.0))[4, 4, 4] == pytest.approx(1.5)

    def test_some_slices_give_what_all_of_them_would(self):
        rng = np.random.default_rng(0)
        imputed, spread, depth = rng.random((3, 5, 16, 12)).astype(np.float32)
        inputs, have = rng.random((3, 5, 16, 12)).astype(np.float32), np.array([True, False, False])
        whole = voxel_features("t2", MODALITIES, imputed, spread, inputs, have, depth, SPACING)
        some = [1, 4]
        part = voxel_features(
            "t2", MODALITIES, imputed[some], spread[some], inputs[:, some], have, depth[some], SPACING
        )
        np.testing.assert_allclose(part, whole[:, some], rtol=1e-5)
        assert len(whole) == len(feature_names("t2", MODALITIES))

    def test_gradients_are_per_mm(self):
        ramp = np.broadcast_to(0.02 * np.arange(32.0), (2, 40, 32)).astype(np.float32)
        number = feature_names("t2", MODALITIES).index("gradient")
        for spacing in ((1.0, 1.0, 3.0), (2.0, 1.0, 3.0)):
            features = voxel_features(
                "t2", MODALITIES, ramp, 0 * ramp, np.stack([ramp] * 3), np.array([True] * 3), ramp, spacing
            )
            assert np.exp(features[number, 1, 20, 16]) == pytest.approx(0.02 / spacing[0] + 3e-3, rel=1e-3)
