"""The built-in cohort."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.phantom.nodes import provide_phantom


def create_pipeline(**_: object) -> Pipeline:
    """Fabricate the phantom cohort; nothing to do where the study is made of an archive."""
    return Pipeline(
        [
            Node(
                provide_phantom,
                ["params:cohort", "params:phantom", "phantom_folder"],
                "phantom_cohort",
                name="provide_phantom",
            )
        ]
    )
