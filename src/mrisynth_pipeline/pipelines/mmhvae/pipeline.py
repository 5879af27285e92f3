"""MMHVAE (arXiv 2410.19378): trained on incomplete studies, scored, its doubt examined, its imputations segmented."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.evaluation.pipeline import score_pipeline
from mrisynth_pipeline.pipelines.mmhvae.nodes import train_mmhvae
from mrisynth_pipeline.pipelines.segmentation.pipeline import segmentation_template
from mrisynth_pipeline.pipelines.uncertainty import uncertainty_template


def create_pipeline(**_: object) -> Pipeline:
    """Train, score on every subset, examine doubt and latents, and segment if there is a segmenter."""
    training = Pipeline(
        [
            Node(
                train_mmhvae,
                ["study", "subjects", "training_workspace", "params:architecture", "params:training"],
                ["model", "training_history"],
                name="train_network",
            )
        ],
        namespace="mmhvae",
        inputs={"study", "subjects"},
    )
    judged = score_pipeline("mmhvae") + uncertainty_template("mmhvae") + segmentation_template("mmhvae")
    return training + judged
