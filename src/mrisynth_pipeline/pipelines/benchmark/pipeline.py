"""All methods in one comparison."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.benchmark.nodes import run_contest, segment_tissues, summarise, tabulate, write_page
from mrisynth_pipeline.pipelines.benchmark.pictures import impute_pictures


def create_pipeline(**_: object) -> Pipeline:
    """Train and examine every contestant, then write the benchmark's page."""
    return Pipeline(
        [
            Node(segment_tissues, ["study", "raw_cohort", "subjects"], "benchmark.tissues", name="segment_tissues"),
            Node(
                run_contest,
                [
                    *("study", "raw_cohort", "split", "subjects", "benchmark.tissues"),
                    *("benchmark.trials_workspace", "benchmark.healthy_workspace"),
                    *("params:benchmark", "params:evaluation", "params:segmentation", "params:preprocessing"),
                    *("params:phantom", "intensity_standard", "parameters"),
                ],
                [
                    *("benchmark.scores", "benchmark.limits", "benchmark.segmentations", "benchmark.costs"),
                    "benchmark_remarks",
                ],
                name="train_all_methods",
            ),
            Node(
                summarise,
                [
                    *("benchmark.scores", "benchmark.limits", "benchmark.segmentations", "benchmark.costs"),
                    *("benchmark_remarks", "study", "params:benchmark", "params:evaluation"),
                ],
                "benchmark_summary",
                name="summarise_benchmark",
            ),
            Node(
                impute_pictures,
                [
                    *("benchmark_summary", "study", "subjects", "benchmark.trials_workspace"),
                    *("params:benchmark", "params:evaluation"),
                ],
                "benchmark.slices",
                name="impute_pictures",
            ),
            Node(
                write_page,
                ["benchmark_summary", "benchmark.slices", "study", "subjects"],
                "benchmark_page",
                name="write_benchmark_page",
            ),
            Node(tabulate, "benchmark_summary", "benchmark_table", name="tabulate_benchmark"),
        ]
    )
