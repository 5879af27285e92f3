"""One page and one table that say what came out."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.reporting.nodes import (
    draw_code_usage,
    draw_curves,
    draw_segmentation_bars,
    print_results,
    write_report,
)

CURVES = {
    "codebrain.stage1_history": "codebrain.stage1_curves",
    "codebrain.stage2_history": "codebrain.stage2_curves",
    "segmenter.training_history": "segmenter.training_curves",
}
"""Logged metrics of every training → their figure."""

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
    """Draw the curves, write the HTML report and the table that ends the run."""
    return Pipeline(
        [
            *(
                Node(draw_curves, history, curves, name=f"draw_{curves.replace('.', '_')}")
                for history, curves in CURVES.items()
            ),
            Node(draw_code_usage, "codebrain.code_counts", "codebrain.code_usage", name="draw_code_usage"),
            Node(draw_segmentation_bars, "segmentation_summary", "segmentation_bars", name="draw_segmentation_bars"),
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
