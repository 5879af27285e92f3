"""Stage II: predicting the codes from what is available."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.neuroquant.stages import stage2_pipeline as neuroquant_pipeline
from mrisynth_pipeline.pipelines.slot import two_stage_method
from mrisynth_pipeline.pipelines.stage2.nodes import train_code_predictor


def codebrain_pipeline() -> Pipeline:
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


def create_pipeline(**_: object) -> Pipeline:
    """Stage II of the method that ``stage1.quantiser`` asks for."""
    return neuroquant_pipeline() if two_stage_method() == "neuroquant" else codebrain_pipeline()
