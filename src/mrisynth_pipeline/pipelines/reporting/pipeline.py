"""One page and one table that say what came out."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.reporting.nodes import print_results, write_report

FIGURES = (
    "registration_montage",
    "codebrain.stage1_curves",
    "codebrain.stage2_curves",
    "codebrain.code_usage",
    "codebrain.pair_heat_map",
    "scores_by_inputs",
    "segmentation_bars",
    "segmenter.training_curves",
    "example_imputations",
    "example_segmentations",
)
"""Figures of the report; their sections and captions stand in ``nodes.py``."""


def create_pipeline(**_: object) -> Pipeline:
    """Write the HTML report and the table that ends the run."""
    return Pipeline(
        [
            Node(
                print_results,
                ["evaluation_summary", "segmentation_summary"],
                "results_table",
                name="tabulate_results",
            ),
            Node(
                write_report,
                {
                    "study": "study",
                    "scores": "evaluation_summary",
                    "segmentation": "segmentation_summary",
                    "manifest_summary": "manifest_summary",
                    "split": "split_summary",
                    "index": "preprocessing_index",
                    "run_times": "run_times",
                    "parameters": "parameters",
                    **{name.replace(".", "_"): name for name in FIGURES},
                },
                "report",
                name="write_report",
            ),
        ]
    )
