"""The benchmark's plan: who is trained, who cannot be, and what is said before the start."""

import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.models.baselines import MeanImage
from mrisynth_pipeline.models.resunet import ResUNet
from mrisynth_pipeline.pipelines.benchmark.contest import LIMITS, Contest, sittings_of, trials_of
from mrisynth_pipeline.pipelines.benchmark.forecast import in_words
from mrisynth_pipeline.pipelines.benchmark.parameters import BenchmarkParameters
from mrisynth_pipeline.pipelines.recipes import RECIPES, Recipe, register
from mrisynth_pipeline.training.segmentation import SegmentationParameters

CONTESTANTS = {name: {"method": name} for name in ("codebrain", "resunet", "linear", "mean")}


@pytest.fixture
def contest(trio_study, trio):
    def make(study=None, **options) -> Contest:
        return Contest(
            trio_study | (study or {}),
            pd.DataFrame({"subject": list("abcdef"), "patient": list("aabcde")}),
            trio,
            {},
            None,
            {},
            BenchmarkParameters(**{"contestants": CONTESTANTS, "seeds": 2} | options),
            EvaluationParameters(device="cpu"),
            SegmentationParameters(),
        )

    return make


class TestTrials:
    def test_one_seed_of_all_before_the_next_and_the_limits_first(self, contest, tmp_path):
        trials = trials_of(contest(), tmp_path)
        assert [(trial.variant, trial.seed) for trial in trials] == [
            (LIMITS, 0),
            *((name, 0) for name in CONTESTANTS),
            *((name, 1) for name in CONTESTANTS),
        ]

    def test_folds_test_every_patient_once_with_all_scans_of_a_patient_together(self, contest, tmp_path):
        sittings = sittings_of(contest(folds=2), tmp_path)
        tested = [set(sitting.exam.subjects) for sitting in sittings]
        assert set.union(*tested) == set("abcdef")
        assert not set.intersection(*tested)
        assert any({"a", "b"} <= subjects for subjects in tested), "one patient's two visits"

    def test_another_seed_is_another_training_and_the_same_examination(self, contest, tmp_path):
        first, second = [trial for trial in trials_of(contest(), tmp_path) if trial.variant == "resunet"]
        assert first.identity != second.identity
        assert first.judgement == second.judgement
        assert second.settings["training.optimisation.seed"] == 1

    def test_fewer_subjects_are_another_examination_of_the_same_training(self, contest, tmp_path):
        whole, few = (trials_of(contest(test_subjects=count), tmp_path)[-1] for count in (None, 1))
        assert whole.identity == few.identity
        assert whole.judgement != few.judgement

    def test_who_cannot_be_trained_is_named_with_the_reason_and_the_others_are(self, contest, tmp_path):
        nobody = contest({"complete": list("cdef")})
        trials, obstacles = nobody.trials(sittings_of(nobody, tmp_path))
        assert {trial.variant for trial in trials} == {LIMITS, "linear", "mean"}
        assert {row["variant"] for row in obstacles} == {"codebrain", "resunet"}
        assert all("none of its 2 subjects" in row["obstacle"] for row in obstacles)

    def test_steps_are_cut_alike(self, contest):
        steps = contest(steps_share=0.5).options("codebrain", 0)["stage1"].optimisation.steps
        assert steps == RECIPES["codebrain"].parts["stage1"]().optimisation.steps // 2

    def test_a_wrong_option_is_named(self, contest):
        odd = contest(contestants={"odd": {"method": "resunet", "options": {"training": {"l2_weight": 1}}}})
        with pytest.raises(InputError, match=r"benchmark\.contestants\.odd\.training: l2_weight: no such option"):
            odd.options("odd", 0)


class TestParameters:
    def test_unknown_names_are_refused(self):
        with pytest.raises(ValueError, match=r"benchmark\.only=unet names unet: there are codebrain"):
            BenchmarkParameters(contestants=CONTESTANTS, only="unet")

    def test_unknown_methods_are_refused(self):
        with pytest.raises(ValueError, match="no method 'unet'"):
            BenchmarkParameters(contestants={"x": {"method": "unet"}})


class TestForecast:
    def test_it_says_how_long_and_what_takes_it(self):
        words = in_words({"codebrain": 1200.0, "mmhvae": 2400.0, "linear": 3.0}, trials=10, of=16, workers=2)
        assert words == (
            "About 30 min to go (6 of 16 trials have been done before): codebrain 20 min, mmhvae 40 min, 2 at a time"
        )

    def test_nothing_to_do(self):
        assert "nothing is trained" in in_words({}, trials=0, of=16)


class TestRegister:
    def test_a_name_that_is_taken_is_refused(self):
        recipe = Recipe({}, lambda *_: [], lambda *_: None)
        with pytest.raises(ValueError, match="already"):
            register("resunet", recipe, ResUNet)
        with pytest.raises(ValueError, match="already"):
            register("another", recipe, type("Mean", (MeanImage,), {"name": "mean"}))
        assert "another" not in RECIPES
