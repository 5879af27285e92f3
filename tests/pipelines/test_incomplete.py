"""Studies whose subjects lack scans: who is trained on, and what nodes make of test subjects none of whom is whole."""

import pytest
import torch

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.models.codebrain import CodeBrainArchitecture, CodeBrainAutoencoder
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.evaluation.nodes import fit_baselines, impute_examples, score_method, score_true_codes
from mrisynth_pipeline.pipelines.incomplete import hide_scans, members_for_imputation
from mrisynth_pipeline.pipelines.methods import METHODS
from mrisynth_pipeline.pipelines.reporting.drawing import draw_code_usage, draw_examples
from mrisynth_pipeline.pipelines.study import EVERY_CONTRAST, TWO_CONTRASTS, segmentation_obstacle, training_identity

EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100)


class TestMembers:
    def test_complete_ones_or_all_with_two_contrasts(self, trio_study, trio, caplog):
        study, store = hide_scans(trio_study, trio, {"a": {"t2", "pd"}, "b": {"pd"}, "c": {"t1"}})
        with pytest.raises(ValueError, match="has all of"):
            members_for_imputation(study, store, incomplete=False)
        more, store = study | {"train": list("abdef"), "test": []}, store
        assert members_for_imputation(more, store, incomplete=False) == (["d", "e", "f"], [], EVERY_CONTRAST)
        assert members_for_imputation(more, store, True) == (["b", "d", "e", "f"], ["c"], TWO_CONTRASTS)
        assert "1 of 5 train subjects have one contrast alone: left out" in caplog.text


class TestHiding:
    def test_it_is_another_study(self, trio_study, trio):
        study, store = hide_scans(trio_study, trio, {"d": {"pd"}, "e": ()})
        assert study["complete"] == list("abcef")
        assert study["withheld_scans"] == {"pd": 1}
        assert training_identity(study) != training_identity(trio_study)
        assert training_identity(study) != training_identity(hide_scans(trio_study, trio, {"d": {"t1"}})[0])
        assert store.open("d").present.tolist() == [True, True, False]

    def test_nothing_hidden_is_the_same_study(self, trio_study, trio):
        assert hide_scans(trio_study, trio, {}) == (trio_study, trio)


class TestNoTestSubjectIsComplete:
    @pytest.fixture
    def reduced(self, trio_study, trio):
        return hide_scans(trio_study, trio, {"d": {"t1"}, "e": {"t2"}, "f": {"t2", "pd"}})

    def test_what_is_there_is_scored(self, reduced):
        linear, _ = fit_baselines(*reduced)
        scores = score_method(linear, *reduced, EVALUATION)
        assert scores.groupby("subject")[["inputs", "target"]].apply(
            lambda rows: rows.to_numpy().tolist()
        ).to_dict() == {"d": [["t2", "pd"], ["pd", "t2"]], "e": [["t1", "pd"], ["pd", "t1"]]}

    def test_figures_say_why_they_are_not_drawn(self, reduced):
        linear, _ = fit_baselines(*reduced)
        assert impute_examples(linear, *reduced, EVALUATION) == {}
        figures = draw_examples({"methods": ["linear"]}, *reduced, EVALUATION, *[{}] * len(METHODS))
        assert "every contrast" in figures["none"].texts[0].get_text()

    def test_there_is_no_ceiling(self, reduced, caplog):
        torch.manual_seed(0)
        sizes = CodeBrainArchitecture(posterior_width=2, common_width=2, decoder_width=2, depth=1)
        scores, counts = score_true_codes(TrainedModel(CodeBrainAutoencoder(3, sizes), {}), *reduced, EVALUATION)
        assert scores.empty
        assert "No test subject has every contrast" in caplog.text
        assert "every contrast" in draw_code_usage(counts).texts[0].get_text()


@pytest.mark.parametrize(
    ("complete", "labelled", "reason"),
    [("ad", "ad", ""), ("d", "ad", "train part"), ("a", "ad", "test part"), ("ad", "a", "no tumour label maps")],
)
def test_why_no_tumour_is_segmented(trio_study, complete, labelled, reason):
    study = trio_study | {"complete": list(complete), "labelled": list(labelled)}
    assert reason in segmentation_obstacle(study)
    assert bool(reason) == bool(segmentation_obstacle(study))
