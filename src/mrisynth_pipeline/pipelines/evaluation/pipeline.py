"""How good the imputations are, for every method through one door."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.evaluation.nodes import (
    fit_baselines,
    impute_examples,
    score_method,
    score_true_codes,
)
from mrisynth_pipeline.pipelines.methods import BASELINES
from mrisynth_pipeline.pipelines.slot import default_methods, two_stage_method


def score_pipeline(method: str) -> Pipeline:
    """The template: one method's scores and the slices that figures show, in its namespace."""
    inputs = ["model", "study", "subjects", "params:evaluation"]
    return Pipeline(
        [
            Node(score_method, inputs, "scores", name="score"),
            Node(impute_examples, inputs, "example_slices", name="impute_examples"),
        ],
        namespace=method,
        inputs={"study", "subjects"},
        parameters={"params:evaluation"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Fit the baselines and score the methods of the default run; the report puts the numbers together."""
    baselines = Node(
        fit_baselines, ["study", "subjects"], [f"{name}.model" for name in BASELINES], name="fit_baselines"
    )
    ceiling = Node(
        score_true_codes,
        ["codebrain.autoencoder", "study", "subjects", "params:evaluation"],
        ["codebrain.stage1_scores", "codebrain.code_counts"],
        name="score_true_codes",
    )
    of_stage1 = Pipeline([ceiling])
    if two_stage_method() == "neuroquant":  # whose pipeline takes its template from here
        from mrisynth_pipeline.pipelines.neuroquant.evidence import evidence_pipeline

        of_stage1 = evidence_pipeline()
    return Pipeline([baselines]) + of_stage1 + sum((score_pipeline(m) for m in default_methods()), Pipeline([]))
