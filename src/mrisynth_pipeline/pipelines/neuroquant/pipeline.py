"""NeuroQuant (arXiv 2604.05171): both stages trained, scored, its codes examined, and its imputations segmented."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.evaluation.pipeline import score_pipeline
from mrisynth_pipeline.pipelines.neuroquant.evidence import examine_codes, exchange_example, score_autoencoder
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


def evidence_pipeline() -> Pipeline:
    """Measure what the autoencoder gives back, and what its codes tell of anatomy and contrast."""
    inputs = ["autoencoder", "study", "subjects", "params:evaluation"]
    return Pipeline(
        [
            Node(score_autoencoder, inputs, ["reconstruction_scores", "swap_scores"], name="score_autoencoder"),
            Node(examine_codes, inputs, ["code_counts", "brain_codes"], name="examine_codes"),
            Node(exchange_example, inputs, "exchanged_slices", name="exchange_example"),
        ],
        namespace="neuroquant",
        inputs={"study", "subjects"},
        parameters={"params:evaluation"},
    )


def create_pipeline(**_: object) -> Pipeline:
    """Train both stages, examine the codes, score on every subset, and segment if there is a segmenter."""
    judged = evidence_pipeline() + score_pipeline("neuroquant") + segmentation_template("neuroquant")
    return stage1_pipeline() + stage2_pipeline() + judged
