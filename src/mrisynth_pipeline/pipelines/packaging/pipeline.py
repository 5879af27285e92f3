"""A trained model with all that its use on a lab's own scans asks for: preprocessing, units, doubt, familiarity."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.methods import TRAINED
from mrisynth_pipeline.pipelines.packaging.nodes import prepare_package, score_package


def packaging_template(method: str) -> Pipeline:
    """The template: one method's package and how far its doubt can be trusted, in its namespace."""
    shared = ["study", "subjects", "params:packaging", "params:evaluation"]
    return Pipeline(
        [
            Node(prepare_package, ["model", *shared], "package", name="prepare_package"),
            Node(score_package, ["package", *shared], "doubt_scores", name="score_package"),
        ],
        namespace=method,
        inputs={"study", "subjects"},
        parameters={"params:packaging", "params:evaluation"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Package every method that has been trained; a plain run packages the one in its slot alone."""
    return sum((packaging_template(method) for method in TRAINED), Pipeline([]))
