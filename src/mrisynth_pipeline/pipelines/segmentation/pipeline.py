"""Whether imputed contrasts serve tumour segmentation."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.segmentation.nodes import (
    score_references,
    segment_with_method,
    train_segmenter,
)
from mrisynth_pipeline.pipelines.slot import default_methods


def segmentation_template(method: str) -> Pipeline:
    """The template: segmentations with one method's imputations, in its namespace."""
    return Pipeline(
        [
            Node(
                segment_with_method,
                ["model", "segmenter.model", "study", "subjects", "params:evaluation"],
                ["segmentation_scores", "segmented_slices"],
                name="segment",
            )
        ],
        namespace=method,
        inputs={"study", "subjects", "segmenter.model"},
        parameters={"params:evaluation"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Train a segmenter on real complete scans; test it with each contrast real, blank and imputed."""
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
                ["references.segmentation_scores", "references.segmented_slices"],
                name="score_segmentation_references",
            ),
        ]
    )
    return frame + sum((segmentation_template(m) for m in default_methods()), Pipeline([]))
