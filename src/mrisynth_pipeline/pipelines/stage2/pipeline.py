"""CodeBrain's Stage II: predicting the codes from what is available."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.stage2.nodes import train_code_predictor


def create_pipeline(**_: object) -> Pipeline:
    """Train the code predictor on the frozen autoencoder: the imputer is complete."""
    return Pipeline(
        [
            Node(
                train_code_predictor,
                ["autoencoder", "study", "subjects", "stage2_workspace", "params:stage2"],
                ["model", "stage2_history"],
                name="train_code_predictor",
            ),
        ],
        namespace="codebrain",
        inputs={"study", "subjects"},
    )
