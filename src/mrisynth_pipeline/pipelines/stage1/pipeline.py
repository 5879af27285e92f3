"""CodeBrain's Stage I: the autoencoder and its codes."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.stage1.nodes import train_autoencoder


def create_pipeline(**_: object) -> Pipeline:
    """Train the autoencoder on all contrasts of the complete training subjects."""
    return Pipeline(
        [
            Node(
                train_autoencoder,
                ["study", "subjects", "stage1_workspace", "params:architecture", "params:stage1"],
                ["autoencoder", "stage1_history"],
                name="train_autoencoder",
            ),
        ],
        namespace="codebrain",
        inputs={"study", "subjects"},
    )
