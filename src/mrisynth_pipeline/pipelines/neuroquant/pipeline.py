"""NeuroQuant (arXiv 2604.05171): both stages trained, scored, its codes examined, and its imputations segmented."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.evaluation.pipeline import score_pipeline
from mrisynth_pipeline.pipelines.neuroquant.nodes import train_autoencoder, train_code_predictor
from mrisynth_pipeline.pipelines.segmentation.pipeline import segmentation_template


def stage1_pipeline() -> Pipeline:
    """Train the autoencoder on single contrasts of subjects with two or more."""
    return Pipeline(
        [
            Node(
                train_autoencoder,
                ["study", "subjects", "stage1_workspace", "params:architecture", "params:stage1"],
                ["autoencoder", "stage1_history"],
                name="train_autoencoder",
            )
        ],
        namespace="neuroquant",
        inputs={"study", "subjects"},
    )


def stage2_pipeline() -> Pipeline:
    """Train the code predictor on the frozen autoencoder: the imputer is complete."""
    return Pipeline(
        [
            Node(
                train_code_predictor,
                ["autoencoder", "study", "subjects", "stage2_workspace", "params:stage2"],
                ["model", "stage2_history"],
                name="train_code_predictor",
            )
        ],
        namespace="neuroquant",
        inputs={"study", "subjects"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Train both stages, score on every subset, and segment with its imputations if there is a segmenter."""
    judged = score_pipeline("neuroquant") + segmentation_template("neuroquant")
    return stage1_pipeline() + stage2_pipeline() + judged
