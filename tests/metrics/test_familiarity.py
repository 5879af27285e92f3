"""What is like the training scans passes, what is not is named with its unit, for three scans as for three hundred."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mrisynth_pipeline.metrics.familiarity import Familiarity, Reference
from mrisynth_pipeline.metrics.scan_features import FEATURES, brain_ml, scan_features

THICK, DARK, BRAIN, UNLIKE = "flair/slice_mm", "t1/dark", "/brain_ml", "t1/unlikeness/t2+flair"


def subjects(n: int, seed: int = 0) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [
        {
            THICK: 1.0,
            DARK: float(rng.normal(0.3, 0.03)),
            BRAIN: float(1400 * np.exp(rng.normal(0, 0.1))),
            UNLIKE: float(0.05 * np.exp(rng.normal(0, 0.1))),
        }
        for _ in range(n)
    ]


@pytest.mark.parametrize("n", [1, 2, 3, 12, 300])
class TestOfSoMany:
    def test_further_ones_of_the_same_kind_are_rarely_noted_and_hardly_ever_warned_of(self, n):
        found = []
        for seed in range(60):
            *known, new = subjects(n + 1, seed)
            found += Familiarity.to(known).compare(new)
        assert len(found) <= 0.025 * 60 * 4
        assert sum(finding.severity == "warning" for finding in found) <= 2

    def test_six_times_as_thick_slices_and_a_child_s_brain_are_warned_of(self, n):
        [strange, *_] = subjects(1, seed=99)
        findings = Familiarity.to(subjects(n)).compare(strange | {THICK: 6.0, BRAIN: 200.0})
        severe = {finding.feature for finding in findings if finding.severity == "warning"}
        assert severe == {"slice_mm", "brain_ml"}


def test_sentences_are_plain_and_have_units():
    known = Familiarity.to(subjects(12))
    typical = {
        key: np.exp(r.mean) if FEATURES[key.split("/")[1]].ratio else r.mean for key, r in known.references.items()
    }
    assert known.compare(typical) == []
    thick, unlike = known.compare(typical | {THICK: 4.0, UNLIKE: 0.2})
    assert thick.sentence == "FLAIR: its slices are 4.0 mm thick; the training scans' 1.0 to 1.0 mm"
    assert (thick.contrast, thick.feature, thick.value, thick.severity) == ("flair", "slice_mm", 4.0, "warning")
    assert thick.low < 1 < thick.high < 4
    assert unlike.sentence.startswith(
        "T1: imputed from T2 and FLAIR it is wrong by 0.200 on average; the training scans"
    )
    [small] = known.compare(typical | {BRAIN: 500.0})
    assert small.sentence.startswith("the brain has 500 ml; the training subjects' 1")
    assert small.sentence.endswith(" ml")
    assert small.contrast == ""


def test_errors_smaller_than_ever_are_not_strange():
    known = Familiarity.to(subjects(12))
    assert known.compare({UNLIKE: 0.001}) == []


def test_warnings_come_first_and_what_nobody_has_is_not_compared():
    known = Familiarity.to(subjects(12))
    findings = known.compare({DARK: 0.45, THICK: 9.0, "pd/slice_mm": 9.0, "t1/unlikeness/pd": 1.0})
    assert [finding.feature for finding in findings] == ["slice_mm", "dark"]


def test_a_wide_cohort_widens_the_interval_and_alike_scans_do_not_narrow_it():
    feature = FEATURES["dark"]
    alike, wide = Reference.to([0.3] * 50, feature), Reference.to(np.linspace(0.1, 0.5, 50), feature)
    low, high = alike.interval(0.99, feature)
    assert high - low == pytest.approx(2 * 2.67 * feature.usual * np.sqrt(1 + 1 / 50), rel=0.01)
    low, high = wide.interval(0.99, feature)
    assert high - low > 0.5


def test_the_record_survives_json_and_of_nonsense_is_refused():
    known = Familiarity.to(subjects(5))
    assert Familiarity.of(json.loads(json.dumps(known.record()))) == known
    record = known.record()
    record["references"]["t1/of_a_later_version"] = {"n": 1}
    assert Familiarity.of(record) == known
    for wrong in ({}, {"subjects": 1, "references": {THICK: {"n": 2}}}, {"subjects": 1, "references": 3}):
        with pytest.raises(ValueError, match="no record"):
            Familiarity.of(wrong)


class TestScanFeatures:
    def test_native_voxels_histogram_and_volume(self):
        mask = np.zeros((10, 30, 30), bool)
        mask[2:-2, 3:-3, 3:-3] = True
        volume = np.random.default_rng(0).random(mask.shape).astype(np.float32) * mask
        affine = np.array([[0, 0, 4.0, 0], [-0.5, 0, 0, 0], [0, 0.7, 0, 0], [0, 0, 0, 1]])
        found = scan_features(volume, mask, (2.0, 2.0, 2.0), {"affine": affine.tolist()})
        assert (found["slice_mm"], found["pixel_mm"]) == (4.0, 0.5)
        assert [found[name] for name in ("dark", "middle", "bright")] == pytest.approx([0.1, 0.5, 0.9], abs=0.02)
        assert set(found) <= set(FEATURES)
        assert brain_ml(mask, (2.0, 2.0, 2.0)) == pytest.approx(mask.sum() * 8 / 1000)

    def test_a_blurred_scan_is_less_sharp(self):
        mask = np.ones((40, 40, 40), bool)
        mask[:, :2] = mask[:, -2:] = False
        volume = gaussian_filter(np.random.default_rng(0).random(mask.shape), 1.0)
        sharp, blurred = (
            scan_features(image, mask, (1.0, 1.0, 1.0), None)["sharpness"]
            for image in (volume, gaussian_filter(volume, 4))
        )
        assert blurred < 0.7 * sharp

    def test_of_an_empty_mask_only_the_voxels_are_known(self):
        empty = np.zeros((4, 8, 8))
        assert scan_features(empty, empty > 0, (1.0, 1.0, 1.0), {"affine": np.eye(4)}) == {
            "slice_mm": 1.0,
            "pixel_mm": 1.0,
        }
