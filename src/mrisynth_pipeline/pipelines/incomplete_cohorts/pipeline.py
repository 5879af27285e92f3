"""What it costs each method that scans are missing from the cohort it is trained on."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.incomplete_cohorts.nodes import run_contestants, summarise, tabulate, write_page

_GROUPS = [f"params:{method}" for method in ("codebrain", "neuroquant", "resunet", "aginet", "mmhvae")]


def create_pipeline(**_: object) -> Pipeline:
    """Train and judge the contestants on every fraction, then write the experiment's page."""
    return Pipeline(
        [
            Node(
                run_contestants,
                [
                    *("study", "split", "subjects", "incomplete_cohorts.trials_workspace", *_GROUPS),
                    *("params:incomplete_cohorts", "params:evaluation"),
                ],
                ["incomplete_cohorts.scores", "incomplete_cohorts.trials", "incomplete_cohorts.example_slices"],
                name="train_contestants",
            ),
            Node(
                summarise,
                [
                    *("incomplete_cohorts.scores", "incomplete_cohorts.trials"),
                    *("params:incomplete_cohorts", "params:evaluation"),
                ],
                "incomplete_cohorts_summary",
                name="summarise_contestants",
            ),
            Node(tabulate, "incomplete_cohorts_summary", "incomplete_cohorts_table", name="tabulate_contestants"),
            Node(
                write_page,
                ["incomplete_cohorts_summary", "incomplete_cohorts.example_slices", "study"],
                "incomplete_cohorts_page",
                name="write_incomplete_page",
            ),
        ]
    )
