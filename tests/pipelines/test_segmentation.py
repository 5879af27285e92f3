"""Downstream segmentation where it is possible, and a clear word where it is not."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.downstream import score_real
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import Subject, write_subject
from mrisynth_pipeline.pipelines.evaluation.nodes import fit_baselines
from mrisynth_pipeline.pipelines.methods import SKIPPED
from mrisynth_pipeline.pipelines.reporting.drawing import draw_segmentation_bars, draw_segmentations
from mrisynth_pipeline.pipelines.reporting.summaries import summarise_downstream
from mrisynth_pipeline.pipelines.segmentation.nodes import score_references, segment_with_method, train_segmenter
from mrisynth_pipeline.pipelines.segmentation.training import train_tissue_segmenter
from mrisynth_pipeline.training.parameters import OptimisationParameters
from mrisynth_pipeline.training.segmentation import SegmentationParameters

QUICK = SegmentationParameters(
    width=8,
    blocks_down=(1, 1),
    patch_size=(8, 8, 8),
    optimisation=OptimisationParameters(steps=2, batch_size=1, validation_samples=1, ema_decay=0.0),
)
EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100)


@pytest.fixture
def unlabelled(study) -> dict:
    return study | {"labelled": []}


@pytest.fixture
def labelled(study) -> dict:
    return study | {"train": ["c", "b"], "validation": []}


class TestWithoutLabels:
    def test_nothing_is_trained_and_the_card_says_why(self, unlabelled, subjects, tmp_path, caplog):
        segmenter, history = train_segmenter(unlabelled, subjects, tmp_path / "work", QUICK)
        assert history.empty
        assert "no tumour label maps" in segmenter.card[SKIPPED]
        assert "No downstream segmentation" in caplog.text

    def test_all_that_follows_has_nothing_to_do(self, unlabelled, subjects, tmp_path):
        segmenter, _ = train_segmenter(unlabelled, subjects, tmp_path / "work", QUICK)
        model, _ = fit_baselines(unlabelled, subjects)
        references, _ = score_references(segmenter, unlabelled, subjects)
        scores, slices = segment_with_method(model, segmenter, unlabelled, subjects, EVALUATION)
        assert references.empty
        assert scores.empty
        assert slices == {}
        summary = summarise_downstream(unlabelled, EVALUATION, references, scores)
        assert "no tumour label maps" in summary[SKIPPED]
        assert draw_segmentation_bars(summary).texts[0].get_text() == summary[SKIPPED]
        assert list(draw_segmentations(summary, unlabelled, subjects, slices)) == ["none"]


def test_a_cohort_of_healthy_people_teaches_nothing(labelled, subjects, tmp_path):
    file = subjects.open("c")
    empty = Subject(
        *("c", file.metadata["modalities"], file.present, file.volumes(), file.mask(), file.mask() * np.uint8(0)),
        *("t1", np.eye(4), {}, {}, {}, "c"),
    )
    write_subject(subjects.path("c"), empty)
    segmenter, history = train_segmenter(labelled, subjects, tmp_path / "work", QUICK)
    assert history.empty
    assert "no training subject has a tumour" in segmenter.card[SKIPPED]
    assert score_references(segmenter, labelled, subjects)[0].empty


class TestWithLabels:
    def test_training_takes_complete_labelled_subjects_alone(self, labelled, subjects, tmp_path):
        segmenter, history = train_segmenter(labelled, subjects, tmp_path / "work", QUICK)
        assert segmenter.card["training_data"]["subjects"] == 1  # "c"; "b" lacks a contrast and labels
        assert history["step"].max() == 2

    def test_every_contrast_is_replaced_in_turn(self, labelled, subjects, tmp_path):
        segmenter, _ = train_segmenter(labelled, subjects, tmp_path / "work", QUICK)
        model, _ = fit_baselines(labelled, subjects)
        references, real = score_references(segmenter, labelled, subjects)
        scores, imputed = segment_with_method(model, segmenter, labelled, subjects, EVALUATION)
        assert set(zip(references["method"], references["missing"], strict=True)) == {
            ("real", "none"),
            ("zero", "t1"),
            ("zero", "t2"),
        }
        assert set(scores["missing"]) == {"t1", "t2"}
        assert set(scores["subject"]) == {"d", "e"}
        summary = summarise_downstream(labelled, EVALUATION, references, scores, None)
        assert summary["n_subjects"] == 2
        assert set(summary["methods"]) == {"real", "zero", "linear"}
        figures = draw_segmentations(summary, labelled, subjects, real, imputed, None)
        assert list(figures) == ["d"], "the larger tumour"
        assert {"Real", "Blank (zero)", "Linear regression"} <= {a.get_title() for a in figures["d"].axes}

    def test_without_a_segmenter_a_method_goes_without(self, labelled, subjects, caplog):
        model, _ = fit_baselines(labelled, subjects)
        scores, slices = segment_with_method(model, None, labelled, subjects, EVALUATION)
        assert scores.empty
        assert slices == {}
        assert "kedro run --pipelines segmentation" in caplog.text

    def test_nobody_scored_is_no_empty_success(self, labelled):
        assert "kedro run --pipelines segmentation" in summarise_downstream(labelled, EVALUATION, None)[SKIPPED]


class TestTissues:
    @pytest.fixture
    def layered(self, subjects):
        """Subjects whose T1 shows three tissues; nobody needs a label map."""
        tissues = {}
        for name in "ade":
            mask = subjects.open(name).mask()
            tissues[name] = np.broadcast_to(np.arange(24) // 4 % 3 + 1, mask.shape).astype(np.uint8) * mask
            t1 = tissues[name].astype(np.float32) / 3
            subject = Subject(
                *(name, ("t1", "t2"), (True, True), np.stack([t1, 1 - t1]) * mask, mask, None, "t1", np.eye(4)),
                *({}, {}, {}, name),
            )
            write_subject(subjects.path(name), subject)
        return tissues

    def test_a_few_steps_teach_it_the_tissues(self, study, subjects, layered, tmp_path):
        longer = QUICK.optimisation.model_copy(update={"steps": 120, "learning_rate": 1e-2})
        parameters = QUICK.model_copy(update={"optimisation": longer, "patch_size": (24, 16, 6)})
        model = train_tissue_segmenter(study, subjects, layered, tmp_path / "work", parameters)
        assert model.network.targets == "tissue"
        assert model.card["training_data"]["subjects"] == 1  # "a"; "b" lacks a contrast
        scores = score_real(model.network, subjects, ["d"], (1.0, 1.0, 1.0), layered)
        assert scores["dice"].min() > 0.8

    def test_without_maps_there_is_nothing_to_learn_from(self, study, subjects, layered, tmp_path):
        with pytest.raises(InputError, match="no complete training subject has a tissue map"):
            train_tissue_segmenter(study, subjects, {"d": layered["d"]}, tmp_path / "work", QUICK)


def test_modality_dropout_reaches_the_training(labelled, subjects, tmp_path):
    weights = []
    for share in (0.0, 0.0, 1.0):
        parameters = QUICK.model_copy(update={"modality_dropout": share})
        segmenter, _ = train_segmenter(labelled, subjects, tmp_path / f"work{len(weights)}", parameters)
        weights.append(torch.cat([w.flatten() for w in segmenter.network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
