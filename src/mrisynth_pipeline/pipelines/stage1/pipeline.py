"""CodeBrain's Stage I: the autoencoder and its codes."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.figures import draw_curves
from mrisynth_pipeline.pipelines.stage1.nodes import draw_code_usage, score_true_codes, train_autoencoder


def create_pipeline(**_: object) -> Pipeline:
    """Train the autoencoder, then measure it with the true codes: the ceiling of Stage II."""
    return Pipeline(
        [
            Node(
                train_autoencoder,
                ["study", "subjects", "stage1_workspace", "params:architecture", "params:stage1"],
                ["autoencoder", "stage1_history"],
                name="train_autoencoder",
            ),
            Node(
                score_true_codes,
                ["autoencoder", "study", "subjects", "params:evaluation"],
                ["stage1_scores", "code_counts"],
                name="score_true_codes",
            ),
            Node(draw_code_usage, "code_counts", "code_usage", name="draw_code_usage"),
            Node(draw_curves, "stage1_history", "stage1_curves", name="draw_stage1_curves"),
        ],
        namespace="codebrain",
        inputs={"study", "subjects"},
        parameters={"params:evaluation"},
    )
