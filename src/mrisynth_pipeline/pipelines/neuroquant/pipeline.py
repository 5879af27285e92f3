"""NeuroQuant (arXiv 2604.05171): both stages trained, scored, its codes examined, and its imputations segmented."""

from kedro.pipeline import Pipeline

from mrisynth_pipeline.pipelines.evaluation.pipeline import score_pipeline
from mrisynth_pipeline.pipelines.neuroquant.evidence import evidence_pipeline
from mrisynth_pipeline.pipelines.neuroquant.nodes import train_autoencoder, train_code_predictor
from mrisynth_pipeline.pipelines.segmentation.pipeline import segmentation_template
from mrisynth_pipeline.pipelines.two_stages import stage1_template, stage2_template


def create_pipeline(**_: object) -> Pipeline:
    """Train both stages, examine the codes, score on every subset, and segment if there is a segmenter."""
    judged = evidence_pipeline() + score_pipeline("neuroquant") + segmentation_template("neuroquant")
    stages = stage1_template("neuroquant", train_autoencoder) + stage2_template("neuroquant", train_code_predictor)
    return stages + judged
