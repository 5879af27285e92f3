"""Every trained method gets the same misaligned inputs; one that is not trained goes without."""

import numpy as np
import pandas as pd
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, RobustnessParameters
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.metrics.misalignment import shown_case
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.models.resunet import ResUNet
from mrisynth_pipeline.pipelines.evaluation.nodes import fit_baselines
from mrisynth_pipeline.pipelines.methods import METHODS, SKIPPED
from mrisynth_pipeline.pipelines.reporting.drawing import draw_robustness
from mrisynth_pipeline.pipelines.reporting.summaries import summarise_misalignment
from mrisynth_pipeline.pipelines.robustness.nodes import draw_misalignments, score_robustness

EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100)
FEW = RobustnessParameters(
    translations_pixels=(2.0,), translations_mm=(3.0, 6.0), rotations_deg=(), subjects=2, repeats=1, registration=False
)
PREPROCESSING = PreprocessingParameters()


@pytest.fixture
def drawn(trio_study, trio) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    return draw_misalignments(trio_study, trio, FEW, PREPROCESSING)


@pytest.fixture
def cases(drawn) -> pd.DataFrame:
    return drawn[0]


def resunet(**architecture) -> TrainedModel:
    torch.manual_seed(0)
    return TrainedModel(ResUNet(("t1", "t2", "pd"), {"widths": (4, 8), **architecture}).eval(), {})


def test_cases_are_those_of_the_first_test_subjects(cases):
    assert set(cases["subject"]) == {"d", "e"}
    assert len(cases) == 2 * 3 * 4  # subjects, targets, none and three amounts
    assert cases.loc[cases["kind"] == "translation_mm", "residual_mm"].to_numpy() == pytest.approx(
        cases.loc[cases["kind"] == "translation_mm", "amount"].to_numpy(), rel=1e-4
    )


def test_two_contrasts_are_too_few(study, subjects):
    with pytest.raises(InputError, match=r"robustness\.inputs: only t2 would be given.*Add a third contrast"):
        draw_misalignments(study, subjects, FEW, PREPROCESSING)


def test_the_example_is_the_farthest_shift_of_the_first_subject(cases):
    case = shown_case(cases)
    assert (case["subject"], case["kind"], case["amount"]) == ("d", "translation_mm", 6.0)
    assert shown_case(cases[cases["kind"] == "none"]) is None


def test_its_slices_show_one_input_moved(drawn):
    cases, slices = drawn
    case = shown_case(cases)
    given = case["inputs"].split("+")
    assert set(slices) == {"truth", *(f"{state}/{name}" for state in ("aligned", "displaced") for name in given)}
    for name in given:
        still = np.array_equal(slices[f"aligned/{name}"], slices[f"displaced/{name}"])
        assert still == (name != case["moved"])


def test_a_method_is_scored_on_every_case_and_leaves_two_slices(cases, trio_study, trio):
    scores, slices = score_robustness(resunet(), cases, trio_study, trio, EVALUATION)
    assert len(scores) == len(cases)
    assert set(scores["method"]) == {"resunet"}
    assert scores.attrs["study"] == trio_study["fingerprint"]
    assert {name: image.shape for name, image in slices.items()} == dict.fromkeys(("aligned", "displaced"), (32, 32))
    assert not np.array_equal(slices["aligned"], slices["displaced"])


def test_a_method_that_is_not_trained_goes_without(cases, trio_study, trio):
    scores, slices = score_robustness(None, cases, trio_study, trio, EVALUATION)
    assert scores.empty
    assert slices == {}


def test_a_fixed_scenario_is_asked_for_what_it_was_made_for(cases, trio_study, trio, caplog):
    scores, slices = score_robustness(resunet(scenario="t1+t2->pd"), cases, trio_study, trio, EVALUATION)
    assert set(zip(scores["inputs"], scores["target"], strict=True)) == {("t1+t2", "pd")}
    assert bool(slices) == (shown_case(cases)["target"] == "pd")
    others = cases[cases["target"] != "pd"]
    scores, slices = score_robustness(resunet(scenario="t1+t2->pd"), others, trio_study, trio, EVALUATION)
    assert scores.empty
    assert slices == {}
    assert "name its inputs in robustness.inputs" in caplog.text


def test_summary_and_figures_hold_the_methods_that_were_tried(drawn, trio_study, trio):
    cases, inputs = drawn
    models = dict.fromkeys(METHODS) | {"resunet": resunet(), "mean": fit_baselines(trio_study, trio)[1]}
    scored = [score_robustness(model, cases, trio_study, trio, EVALUATION) for model in models.values()]
    summary = summarise_misalignment(trio_study, EVALUATION, *(scores for scores, _ in scored))
    assert summary["methods"] == ["resunet", "mean"]
    assert summary["kinds"] == ["translation_pixels", "translation_mm"]
    slices = [found for _, found in scored]
    figures = draw_robustness(summary, cases, inputs, *slices)
    assert set(figures) == {"curves", "cost", "example"}
    assert any("shifted by 6 mm" in text.get_text() for text in figures["example"].texts)
    assert set(draw_robustness(summary, None, None, *slices)) == {"curves", "cost"}


def test_if_none_was_tried_the_summary_says_what_to_run(trio_study, trio):
    summary = summarise_misalignment(trio_study, EVALUATION, None, pd.DataFrame(columns=["method"]))
    assert "kedro run --pipelines robustness,reporting" in summary[SKIPPED]
    assert list(draw_robustness(summary, None, None, *([None] * len(METHODS)))) == ["none"]
