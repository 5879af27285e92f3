"""What misalignment of one input costs, for every method that has been trained."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.methods import METHODS
from mrisynth_pipeline.pipelines.robustness.nodes import draw_misalignments, score_robustness


def robustness_template(method: str) -> Pipeline:
    """The template: one method's scores on misaligned inputs, in its namespace."""
    return Pipeline(
        [
            Node(
                score_robustness,
                ["model", "misalignments", "study", "subjects", "params:evaluation"],
                ["robustness_scores", "misaligned_slices"],
                name="score_misaligned",
            )
        ],
        namespace=method,
        inputs={"misalignments", "study", "subjects"},
        parameters={"params:evaluation"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Move inputs, register them, and score every trained method on them; the report draws the curves."""
    cases = Node(
        draw_misalignments,
        ["study", "subjects", "params:robustness", "params:preprocessing"],
        ["misalignments", "misalignment_example"],
        name="draw_misalignments",
    )
    return Pipeline([cases]) + sum((robustness_template(m) for m in METHODS), Pipeline([]))
