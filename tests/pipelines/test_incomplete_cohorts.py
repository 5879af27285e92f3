"""The experiment on incomplete cohorts: what is hidden from whom, who is trained, what is kept."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.pipelines.contestants import settings_of
from mrisynth_pipeline.pipelines.incomplete_cohorts import nodes
from mrisynth_pipeline.pipelines.incomplete_cohorts.parameters import IncompleteCohortsParameters

TINY = {
    "steps": 2, "batch_size": 2, "validate_every": 2, "validation_samples": 2, "checkpoint_every": 2,
    "accelerator": "cpu", "ema_decay": 0.0,
}  # fmt: skip
GROUPS = {
    "codebrain": {
        "architecture": {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1},
        "stage1": {"discriminator_width": 4, "optimisation": TINY, "augmentation": {"rotate90": False}},
        "stage2": {"optimisation": TINY, "augmentation": {"rotate90": False}},
    },
    "neuroquant": {"architecture": {}, "stage1": {}, "stage2": {}},
    "resunet": {"architecture": {}, "training": {}},
    "aginet": {"architecture": {}, "training": {}},
    "mmhvae": {
        "architecture": {"levels": 2, "width": 4, "max_width": 4, "head_width": 4, "head_blocks": 0, "head_kernel": 3},
        "training": {"discriminator_width": 4, "pool_size": 4, "optimisation": TINY},
    },
}
CONTESTANTS = {
    "mmhvae": {"method": "mmhvae"},
    "no_pool": {"method": "mmhvae", "options": {"training": {"pool": False}}, "complete_as": "mmhvae"},
    "codebrain": {"method": "codebrain"},
    "linear": {"method": "linear"},
}
EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100, minimum_brain_area=0.0)


def experiment(**options) -> IncompleteCohortsParameters:
    return IncompleteCohortsParameters(**{"contestants": CONTESTANTS, "fractions": (0.0, 0.7)} | options)


@pytest.fixture
def run(trio_study, trio, tmp_path):
    split = pd.DataFrame({"subject": list("abcdef"), "patient": list("abcdef")})
    return partial(
        lambda parameters, **groups: nodes.run_contestants(
            trio_study,
            split,
            trio,
            tmp_path / "trials",
            **GROUPS | groups,
            parameters=parameters,
            evaluation=EVALUATION,
        )
    )


class TestRun:
    def test_trains_who_can_be_trained_scores_all_on_complete_subjects_and_repeats_nothing(self, run, monkeypatch):
        scores, trainings, example = run(experiment())
        trained = trainings[trainings["obstacle"] == ""]
        assert set(zip(trained["variant"], trained["fraction"], strict=True)) == {
            ("mmhvae", 0.0), ("mmhvae", 0.7), ("no_pool", 0.7), ("codebrain", 0.0), ("linear", 0.0), ("linear", 0.7),
        }  # fmt: skip
        assert set(scores["subject"]) == {"d", "e", "f"}
        assert (scores.groupby(["variant", "fraction"]).size() == 3 * 9).all()  # three subjects, nine pairs
        hidden = trained.set_index(["variant", "fraction"])
        assert hidden.loc[("mmhvae", 0.7), "subjects"] == 2  # everybody has something left
        assert hidden.loc[("mmhvae", 0.7), "hidden_share"] == pytest.approx(0.5)  # each contrast and subject keeps one
        obstacle = trainings[trainings["obstacle"] != ""]
        assert obstacle[["variant", "fraction", "subjects"]].to_numpy().tolist() == [["codebrain", 0.7, 0]]
        assert "has all of t1, t2, pd" in obstacle["obstacle"].item()
        assert set(example) == {"truth", *(f"{row.variant}@{row.fraction:g}" for row in trained.itertuples())}
        assert all(np.isfinite(slice_).all() for slice_ in example.values())

        monkeypatch.setattr("mrisynth_pipeline.pipelines.trials._do", _must_not_be_called)
        again, _, _ = run(experiment())
        pd.testing.assert_frame_equal(again, scores)

    def test_scores_few_subsets_if_asked(self, run):
        scores, _, _ = run(experiment(only="linear", subsets="few"))
        assert set(scores["n_inputs"]) == {1, 2}
        scores, _, _ = run(experiment(only="linear", subsets="all", test_subjects=1))
        assert set(scores["subject"]) == {"d"}

    def test_folds_test_everybody_once(self, run):
        scores, trainings, _ = run(experiment(only="linear", folds=3))
        assert set(scores["subject"]) == set("abcdef")
        assert set(trainings["fold"]) == {0, 1, 2}

    def test_a_wrong_option_is_named_before_anything_is_trained(self, run, monkeypatch):
        monkeypatch.setattr("mrisynth_pipeline.pipelines.trials._do", _must_not_be_called)
        odd = {"odd": {"method": "mmhvae", "options": {"training": {"pools": False}}}}
        with pytest.raises(InputError, match=r"contestants\.odd\.training: pools: no such option"):
            run(experiment(contestants=odd))


def _must_not_be_called(*_):
    raise AssertionError("a training was begun")


class TestParameters:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"only": "mmhvae+unet"}, "only=mmhvae.unet names unet: there are mmhvae, no_pool"),
            ({"fractions": (0.5, 0.5)}, "each once"),
            ({"fractions": (0.5, 1.0)}, r"in \[0, 1\)"),
            ({"contestants": {"x": {"method": "unet"}}}, "no method 'unet'; there are codebrain"),
            ({"contestants": {"x": {"method": "linear", "options": {"stage1": {}}}}}, r"linear has no \['stage1'\]"),
            ({"contestants": {"x": {"method": "linear", "complete_as": "y"}}}, "complete_as names 'y'"),
        ],
    )
    def test_what_cannot_be_is_said(self, options, words):
        with pytest.raises(ValueError, match=words):
            experiment(**options)

    def test_a_contestant_that_equals_another_on_complete_data_is_not_trained_there(self):
        assert experiment().fractions_of("no_pool") == [0.7]
        assert experiment(fractions=(0.7, 0.0, 0.3)).fractions_of("mmhvae") == [0.0, 0.3, 0.7]

    def test_steps_are_shortened_alike_and_seeds_set(self):
        options = settings_of(experiment().contestants["codebrain"], "contestants.codebrain", 3, 0.5, GROUPS)
        assert [options[part].optimisation.steps for part in ("stage1", "stage2")] == [1, 1]
        assert options["stage2"].optimisation.seed == 3
