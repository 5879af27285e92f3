"""What nodes of several pipelines ask of a study, and how it is settled."""

import pandas as pd
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.models.baselines import LinearRegression
from mrisynth_pipeline.pipelines.evaluation.nodes import fit_baselines, impute_examples, score_method
from mrisynth_pipeline.pipelines.examples import example_subjects
from mrisynth_pipeline.pipelines.methods import METHODS
from mrisynth_pipeline.pipelines.preprocessing.nodes import describe_study, learn_intensity_standard
from mrisynth_pipeline.pipelines.reporting.drawing import draw_examples
from mrisynth_pipeline.pipelines.study import (
    EVERY_CONTRAST,
    complete_subjects,
    model_card,
    seed_training,
    training_identity,
)

RAW_COHORT = {"name": "brats", "modalities": ["t1", "t2"], "registered": True, "phantom": False}


@pytest.fixture
def described(subjects):
    def describe(**changes):
        split = pd.DataFrame({"subject": list("abcdef"), "split": ["train"] * 2 + ["validation"] + ["test"] * 3})
        index = pd.DataFrame({"subject": list("abcdef"), "status": ["done"] * 5 + ["failed"]})
        parts = {"split": split, "index": index, "intensity_standard": {}, "parameters": PreprocessingParameters()}
        parts |= changes
        return describe_study(RAW_COHORT, {"fingerprint": "scans"}, subjects=subjects, **parts)

    return describe


class TestDescribing:
    def test_failed_subjects_take_no_part(self, described):
        study = described()
        assert (study["train"], study["validation"], study["test"]) == (["a", "b"], ["c"], ["d", "e"])

    def test_complete_and_labelled_are_read_from_the_files(self, described):
        study = described()
        assert study["complete"] == ["a", "c", "d", "e"]
        assert study["labelled"] == ["c", "d", "e"]

    def test_another_split_is_another_study(self, described):
        swapped = pd.DataFrame({"subject": list("abcde"), "split": ["test", "train", "train", "train", "train"]})
        assert described(split=swapped)["fingerprint"] != described()["fingerprint"]

    def test_it_says_all_that_maps_a_new_scan_as_these_were(self, described):
        assert described()["intensity"]["method"] == "percentile"
        assert described()["intensity"]["upper_percentile"] == 99.5
        parameters = PreprocessingParameters(intensity={"method": "nyul"})
        standard = {"percentiles": [0.5, 50.0, 99.5], "scale": {"t1": [0.0, 0.6, 1.0]}, "subjects": ["a"]}
        intensity = described(parameters=parameters, intensity_standard=standard)["intensity"]
        assert intensity["standard"] == standard
        assert "Nyúl" in intensity["mapping"]

    def test_it_holds_nothing_but_json(self, described):
        import json

        assert json.loads(json.dumps(described())) == described()


class TestIntensityStandard:
    def test_it_is_learned_on_the_training_part_alone(self, monkeypatch):
        split = pd.DataFrame({"subject": list("abc"), "split": ["train", "test", "train"]})
        asked = {}
        monkeypatch.setattr(
            "mrisynth_pipeline.pipelines.preprocessing.nodes.learn_standard",
            lambda manifest, training, parameters, modalities: asked.update(training=training) or {"scale": {}},
        )
        parameters = PreprocessingParameters(intensity={"method": "nyul"})
        assert learn_intensity_standard(RAW_COHORT, pd.DataFrame(), split, parameters) == {"scale": {}}
        assert asked == {"training": ["a", "c"]}

    @pytest.mark.parametrize("method", ["percentile", "zscore", "white_matter"])
    def test_other_methods_need_none_and_look_at_nobody(self, method):
        parameters = PreprocessingParameters(intensity={"method": method})
        assert learn_intensity_standard(RAW_COHORT, None, None, parameters) == {}


class TestCompleteSubjects:
    def test_incomplete_ones_are_left_out_and_counted(self, study, caplog):
        assert complete_subjects(study, "train") == ["a"]
        assert "1 of 2 train subjects lack a contrast: left out" in caplog.text

    @pytest.mark.parametrize("part", ["train", "test"])
    def test_nobody_to_train_or_test_on_is_an_error_that_says_what_to_do(self, study, part):
        with pytest.raises(InputError, match=r"none of its 2 subjects has all of t1, t2.*cohort\.modalities"):
            complete_subjects(study | {"complete": []}, part)

    def test_validation_may_be_empty(self, study):
        assert complete_subjects(study | {"complete": []}, "validation") == []

    def test_who_can_do_without_says_so(self, study):
        assert complete_subjects(study | {"complete": []}, "test", may_be_none=True) == []

    def test_nobody_to_train_on_is_told_of_the_methods_that_need_no_complete_subjects(self, study):
        with pytest.raises(InputError, match=r"codebrain\.stage1\.incomplete=true.*mmhvae"):
            complete_subjects(study | {"complete": []}, "train")


class TestExamples:
    def test_large_tumours_come_first(self, study, subjects):
        assert example_subjects(study | {"test": ["e", "d"]}, subjects, 1) == ["d"]

    def test_without_labels_the_first_ones(self, study, subjects):
        assert example_subjects(study | {"test": ["a"]}, subjects, 3) == ["a"]

    def test_one_figure_per_subject_and_subset(self, study, subjects):
        parameters = EvaluationParameters(example_subjects=2, example_inputs=("t1", "t2"), device="cpu")
        slices = {
            model.network.name: impute_examples(model, study, subjects, parameters)
            for model in fit_baselines(study, subjects)
        }
        assert {name: image.shape for name, image in slices["mean"].items()} == dict.fromkeys(
            ["d_from_t1", "d_from_t2", "e_from_t1", "e_from_t2"], (2, 16, 24)
        )
        shown = [slices.get(method) for method in METHODS]
        figures = draw_examples({"methods": ["linear", "mean"]}, study, subjects, parameters, *shown)
        assert set(figures) == set(slices["mean"])
        titles = [axes.get_title() for axes in figures["d_from_t1"].axes]
        assert {"Linear regression", "Mean image"} <= set(titles)

    def test_methods_that_are_not_in_the_table_are_not_shown(self, study, subjects):
        parameters = EvaluationParameters(example_subjects=1, example_inputs=("t1",), device="cpu")
        stale = impute_examples(fit_baselines(study, subjects)[0], study, subjects, parameters)
        figures = draw_examples({"methods": ["mean"]}, study, subjects, parameters, *[stale] * len(METHODS))
        assert "Linear regression" not in [axes.get_title() for axes in figures["d_from_t1"].axes]


class TestTraining:
    def test_a_training_is_resumed_only_on_the_same_data_and_settings(self, study):
        parameters = EvaluationParameters()
        identity = training_identity(study, parameters)
        assert identity == training_identity(dict(study), EvaluationParameters())
        assert identity != training_identity(study | {"fingerprint": "other"}, parameters)
        assert identity != training_identity(study, EvaluationParameters(seed=1))

    def test_weights_depend_on_the_seed_alone(self):
        drawn = []
        for seed in (1, 1, 2):
            torch.rand(seed)
            seed_training(seed)
            drawn.append(torch.nn.Linear(3, 3).weight)
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])

    def test_a_card_says_what_a_user_must_know(self, study):
        card = model_card(study | {"withheld_scans": {"t2": 1}}, ["a"], EVERY_CONTRAST, validation={"val_psnr": 20.0})
        assert card["modalities"] == ["t1", "t2"]
        assert card["grid"]["spacing_mm"] == [1.0, 1.0, 1.0]
        assert card["training_data"] == {
            "cohort": "brats",
            "synthetic": False,
            "subjects": 1,
            "needs": "every contrast",
            "left_out": 1,
            "withheld_scans": 1,
            "fingerprint": "scans",
        }
        assert card["intensity"] == study["intensity"]
        assert card["validation"] == {"val_psnr": 20.0}
        assert "Not for diagnostic use" in card["intended_use"]


class TestScoring:
    def test_baselines_learn_from_incomplete_subjects_too(self, study, subjects):
        complete, both = fit_baselines(study | {"train": ["a"]}, subjects), fit_baselines(study, subjects)
        assert isinstance(both[0].network, LinearRegression)
        assert both[1].card["training_data"]["subjects"] == 2
        states = [{k: v.clone() for k, v in models[1].network.state_dict().items()} for models in (complete, both)]
        assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])

    def test_a_method_is_scored_on_every_pair_of_every_test_subject(self, study, subjects):
        linear, _ = fit_baselines(study, subjects)
        scores = score_method(linear, study, subjects, EvaluationParameters(device="cpu"))
        assert scores.groupby("subject")[["inputs", "target"]].apply(
            lambda rows: rows.to_numpy().tolist()
        ).to_dict() == {subject: [["t1", "t2"], ["t2", "t1"]] for subject in ("d", "e")}
