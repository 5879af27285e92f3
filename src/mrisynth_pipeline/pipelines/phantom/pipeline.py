"""The built-in cohort, or the archive that takes its place."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.phantom.nodes import provide_raw_cohort


def create_pipeline(**_: object) -> Pipeline:
    """Fabricate the phantom cohort, or fetch, unpack, convert and point to the user's archive."""
    return Pipeline(
        [
            Node(
                provide_raw_cohort,
                ["params:cohort", "params:phantom", "phantom_folder", "archive_folder"],
                "raw_cohort",
                name="provide_raw_cohort",
            )
        ]
    )
