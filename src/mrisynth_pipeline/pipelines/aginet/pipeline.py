"""AGI-Net (arXiv 2411.14684): trained, scored, and its imputations segmented."""

from kedro.pipeline import Pipeline

from mrisynth_pipeline.pipelines.aginet.nodes import train_aginet
from mrisynth_pipeline.pipelines.translation import translation_pipeline


def create_pipeline(**_: object) -> Pipeline:
    """Train, score on every subset, and segment with its imputations if there is a segmenter."""
    return translation_pipeline("aginet", train_aginet)
