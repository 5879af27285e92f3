"""NeuroQuant (arXiv 2604.05171): both stages trained, scored, its codes examined, and its imputations segmented."""

from kedro.pipeline import Pipeline

from mrisynth_pipeline.pipelines.evaluation.pipeline import score_pipeline
from mrisynth_pipeline.pipelines.neuroquant.evidence import evidence_pipeline
from mrisynth_pipeline.pipelines.neuroquant.stages import stage1_pipeline, stage2_pipeline
from mrisynth_pipeline.pipelines.segmentation.pipeline import segmentation_template


def create_pipeline(**_: object) -> Pipeline:
    """Train both stages, examine the codes, score on every subset, and segment if there is a segmenter."""
    judged = evidence_pipeline() + score_pipeline("neuroquant") + segmentation_template("neuroquant")
    return stage1_pipeline() + stage2_pipeline() + judged
