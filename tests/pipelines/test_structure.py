"""One template, many methods: what the pipelines promise about their shape."""

import warnings

import pytest
from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.evaluation.pipeline import score_pipeline
from mrisynth_pipeline.pipelines.methods import BASELINES, METHODS, TRAINED
from mrisynth_pipeline.pipelines.reporting.nodes import CAPTIONS
from mrisynth_pipeline.pipelines.reporting.pipeline import FIGURES
from mrisynth_pipeline.pipelines.segmentation.pipeline import segmentation_template
from mrisynth_pipeline.pipelines.slot import default_methods


def test_methods_are_the_trained_ones_and_the_baselines():
    assert (*TRAINED, *BASELINES) == METHODS


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_through_the_same_nodes(registered, method):
    pipeline = registered["__default__" if method in default_methods() else method]
    nodes = {node.func.__name__: node for node in pipeline.nodes if f"{method}.model" in node.inputs}
    assert nodes["score_method"].outputs == [f"{method}.scores"]
    assert nodes["impute_examples"].outputs == [f"{method}.example_slices"]
    assert nodes["segment_with_method"].outputs == [f"{method}.segmentation_scores", f"{method}.segmented_slices"]


@pytest.mark.parametrize("method", METHODS)
def test_what_is_made_of_a_method_stands_in_the_report(registered, method):
    kinds = ("scores", "segmentation_scores", "example_slices", "segmented_slices")
    assert {f"{method}.{kind}" for kind in kinds} <= registered["reporting"].inputs()


def test_a_new_method_is_a_name():
    scores, segmentations = score_pipeline("another"), segmentation_template("another")
    assert scores.inputs() == {"another.model", "study", "subjects", "params:evaluation"}
    assert scores.outputs() == {"another.scores", "another.example_slices"}
    assert segmentations.inputs() == scores.inputs() | {"segmenter.model"}
    assert segmentations.outputs() == {"another.segmentation_scores", "another.segmented_slices"}


def test_baselines_come_out_of_one_pass_in_their_order(registered):
    node = next(node for node in registered["evaluation"].nodes if node.name == "fit_baselines")
    assert node.outputs == [f"{name}.model" for name in BASELINES]


def _same(value: object) -> object:
    return value


def test_no_namespace_is_interrupted(registered):
    """Kedro warns if an outside node stands between two nodes of a namespace: it could not be run or resumed alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*is interrupted by nodes")
        Pipeline(registered["__default__"].nodes)
        with pytest.raises(UserWarning, match="Namespace 'a' is interrupted"):
            Pipeline(
                [
                    Node(_same, "raw", "a.first", name="one", namespace="a"),
                    Node(_same, "a.first", "second", name="two"),
                    Node(_same, "second", "a.third", name="three", namespace="a"),
                ]
            )


def test_every_figure_of_the_report_has_section_and_caption():
    assert {name.replace(".", "_") for name in FIGURES} == set(CAPTIONS)


def test_every_figure_of_the_report_is_drawn(registered):
    assert set(FIGURES) <= registered["__default__"].all_outputs()


def test_stage_two_takes_from_stage_one_nothing_but_the_autoencoder(registered):
    between = registered["stage2"].inputs() & registered["stage1"].all_outputs()
    assert between == {"codebrain.autoencoder"}
