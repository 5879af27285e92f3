"""Stage I: the autoencoder and its codes."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.neuroquant.stages import stage1_pipeline as neuroquant_pipeline
from mrisynth_pipeline.pipelines.slot import two_stage_method
from mrisynth_pipeline.pipelines.stage1.nodes import train_autoencoder


def codebrain_pipeline() -> Pipeline:
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


def create_pipeline(**_: object) -> Pipeline:
    """Stage I of the method that ``stage1.quantiser`` asks for."""
    return neuroquant_pipeline() if two_stage_method() == "neuroquant" else codebrain_pipeline()
