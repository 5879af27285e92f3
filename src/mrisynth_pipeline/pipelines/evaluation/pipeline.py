"""How good the imputations are, for every method through one door."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.evaluation.nodes import (
    draw_examples,
    draw_heat_map,
    draw_scores_by_inputs,
    fit_baselines,
    score_method,
    score_true_codes,
    summarise_evaluation,
)
from mrisynth_pipeline.pipelines.methods import BASELINES, METHODS


def score_pipeline(method: str) -> Pipeline:
    """The template: one method's scores, in its namespace."""
    return Pipeline(
        [Node(score_method, ["model", "study", "subjects", "params:evaluation"], "scores", name="score")],
        namespace=method,
        inputs={"study", "subjects"},
        parameters={"params:evaluation"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Fit the baselines, score every method, and put the numbers and pictures together."""
    baselines = Node(
        fit_baselines, ["study", "subjects"], [f"{name}.model" for name in BASELINES], name="fit_baselines"
    )
    # Heat maps stay outside the namespaces: they need the summary of all methods, and a namespace that others interrupt
    # cannot be run, resumed or shown as one.
    heat_maps = [
        Node(
            draw_heat_map,
            ["evaluation_summary", f"{method}.scores"],
            f"{method}.pair_heat_map",
            name=f"draw_{method}_pair_heat_map",
        )
        for method in METHODS
    ]
    ceiling = Node(
        score_true_codes,
        ["codebrain.autoencoder", "study", "subjects", "params:evaluation"],
        ["codebrain.stage1_scores", "codebrain.code_counts"],
        name="score_true_codes",
    )
    models, scores = [f"{m}.model" for m in METHODS], [f"{m}.scores" for m in METHODS]
    together = Pipeline(
        [
            Node(
                summarise_evaluation,
                ["params:evaluation", "codebrain.stage1_scores", *scores],
                "evaluation_summary",
                name="summarise_evaluation",
            ),
            Node(draw_scores_by_inputs, "evaluation_summary", "scores_by_inputs", name="draw_scores_by_inputs"),
            Node(
                draw_examples,
                ["study", "subjects", "params:evaluation", *models],
                "example_imputations",
                name="draw_example_imputations",
            ),
        ]
    )
    return (
        Pipeline([baselines, ceiling, *heat_maps]) + sum((score_pipeline(m) for m in METHODS), Pipeline([])) + together
    )
