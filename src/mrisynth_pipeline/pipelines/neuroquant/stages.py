"""NeuroQuant's two stages, which also fill the default run's slot for them."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.neuroquant.nodes import train_autoencoder, train_code_predictor


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
