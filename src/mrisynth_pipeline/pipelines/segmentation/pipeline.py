"""Whether imputed contrasts serve tumour segmentation."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.methods import METHODS
from mrisynth_pipeline.pipelines.segmentation.nodes import (
    draw_segmentations,
    score_references,
    segment_with_method,
    summarise_downstream,
    train_segmenter,
)


def segmentation_template(method: str) -> Pipeline:
    """The template: segmentations with one method's imputations, in its namespace."""
    return Pipeline(
        [
            Node(
                segment_with_method,
                ["model", "segmenter.model", "study", "subjects", "params:evaluation"],
                "segmentation_scores",
                name="segment",
            )
        ],
        namespace=method,
        inputs={"study", "subjects", "segmenter.model"},
        parameters={"params:evaluation"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Train a segmenter on real complete scans; test it with each contrast real, blank and imputed."""
    scores = ["references.segmentation_scores", *(f"{m}.segmentation_scores" for m in METHODS)]
    frame = Pipeline(
        [
            Node(
                train_segmenter,
                ["study", "subjects", "segmenter.training_workspace", "params:segmentation"],
                ["segmenter.model", "segmenter.training_history"],
                name="train_segmenter",
            ),
            Node(
                score_references,
                ["segmenter.model", "study", "subjects"],
                "references.segmentation_scores",
                name="score_segmentation_references",
            ),
            Node(
                summarise_downstream,
                ["params:evaluation", *scores],
                "segmentation_summary",
                name="summarise_segmentation",
            ),
            Node(
                draw_segmentations,
                ["segmenter.model", "study", "subjects", "params:evaluation", *(f"{m}.model" for m in METHODS)],
                "example_segmentations",
                name="draw_example_segmentations",
            ),
        ]
    )
    return frame + sum((segmentation_template(m) for m in METHODS), Pipeline([]))
