"""One page and one table that say what came out."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.methods import GENERATIVE, METHODS, TRAINED
from mrisynth_pipeline.pipelines.reporting.doubt import draw_doubt, draw_expected_errors
from mrisynth_pipeline.pipelines.reporting.drawing import (
    CURVES,
    draw_code_usage,
    draw_codebook,
    draw_curves,
    draw_examples,
    draw_heat_maps,
    draw_robustness,
    draw_scores_by_inputs,
    draw_segmentation_bars,
    draw_segmentations,
)
from mrisynth_pipeline.pipelines.reporting.nodes import print_results, write_report
from mrisynth_pipeline.pipelines.reporting.summaries import (
    summarise_codebook,
    summarise_doubt,
    summarise_downstream,
    summarise_evaluation,
    summarise_expected_error,
    summarise_misalignment,
)

FIGURES = (
    "registration_montage",
    "training_curves",
    "codebrain.code_usage",
    "pair_heat_maps",
    "scores_by_inputs",
    "segmentation_bars",
    "example_imputations",
    "example_segmentations",
    "codebook_figures",
    "uncertainty_figures",
    "expected_error_figures",
    "robustness_figures",
)
"""Figures of the report; their sections and captions stand in ``nodes.py``."""

HISTORIES = [f"{name.replace('_', '.', 1)}_history" for name in CURVES]
"""Logged metrics of every training, in the order of their figures."""

TABLES_OF_DOUBT = ("uncertainty_scores", "temperature_scores", "latent_components", "latent_distances")
"""What is summed up of every generative method."""


def _of_generative(*products: str) -> list[str]:
    """These products of every generative method, method by method."""
    return [f"{method}.{product}" for method in GENERATIVE for product in products]


def create_pipeline(**_: object) -> Pipeline:
    """Put the numbers and pictures of all methods judged so far together: HTML report and the table that ends the run.

    A method that has not been trained or judged is left out of all of them.
    """
    summaries = [
        Node(
            summarise_evaluation,
            ["study", "params:evaluation", "codebrain.stage1_scores", *(f"{m}.scores" for m in METHODS)],
            "evaluation_summary",
            name="summarise_evaluation",
        ),
        Node(
            summarise_downstream,
            [
                *("study", "params:evaluation", "references.segmentation_scores"),
                *(f"{m}.segmentation_scores" for m in METHODS),
            ],
            "segmentation_summary",
            name="summarise_segmentation",
        ),
        Node(
            summarise_misalignment,
            ["study", "params:evaluation", *(f"{m}.robustness_scores" for m in METHODS)],
            "robustness_summary",
            name="summarise_robustness",
        ),
        Node(
            summarise_codebook,
            [
                *("study", "params:evaluation", "neuroquant.reconstruction_scores", "neuroquant.swap_scores"),
                *("neuroquant.code_counts", "neuroquant.brain_codes"),
            ],
            "codebook_summary",
            name="summarise_codebook",
        ),
        Node(
            summarise_doubt,
            ["study", "params:evaluation", *_of_generative(*TABLES_OF_DOUBT)],
            "uncertainty_summary",
            name="summarise_doubt",
        ),
        Node(
            summarise_expected_error,
            ["study", *(f"{m}.doubt_scores" for m in TRAINED)],
            "expected_error_summary",
            name="summarise_expected_error",
        ),
    ]
    figures = [
        Node(draw_curves, ["evaluation_summary", *HISTORIES], "training_curves", name="draw_training_curves"),
        Node(draw_code_usage, "codebrain.code_counts", "codebrain.code_usage", name="draw_code_usage"),
        Node(draw_heat_maps, "evaluation_summary", "pair_heat_maps", name="draw_pair_heat_maps"),
        Node(draw_scores_by_inputs, "evaluation_summary", "scores_by_inputs", name="draw_scores_by_inputs"),
        Node(
            draw_examples,
            [
                *("evaluation_summary", "study", "subjects", "params:evaluation"),
                *(f"{m}.example_slices" for m in METHODS),
            ],
            "example_imputations",
            name="draw_example_imputations",
        ),
        Node(draw_segmentation_bars, "segmentation_summary", "segmentation_bars", name="draw_segmentation_bars"),
        Node(
            draw_segmentations,
            [
                *("segmentation_summary", "study", "subjects", "references.segmented_slices"),
                *(f"{m}.segmented_slices" for m in METHODS),
            ],
            "example_segmentations",
            name="draw_example_segmentations",
        ),
        Node(
            draw_codebook,
            ["codebook_summary", "study", "neuroquant.stage1_history", "neuroquant.exchanged_slices"],
            "codebook_figures",
            name="draw_codebook",
        ),
        Node(
            draw_doubt,
            [
                *("uncertainty_summary", "study", "subjects"),
                *_of_generative("latent_components", "latent_slices", "doubt_slices"),
            ],
            "uncertainty_figures",
            name="draw_doubt",
        ),
        Node(draw_expected_errors, "expected_error_summary", "expected_error_figures", name="draw_expected_errors"),
        Node(
            draw_robustness,
            [
                *("robustness_summary", "misalignments", "misalignment_example"),
                *(f"{m}.misaligned_slices" for m in METHODS),
            ],
            "robustness_figures",
            name="draw_robustness",
        ),
    ]
    page = [
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
                "robustness": "robustness_summary",
                "codebook": "codebook_summary",
                "uncertainty": "uncertainty_summary",
                "expected_error": "expected_error_summary",
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
    return Pipeline([*summaries, *figures, *page])
