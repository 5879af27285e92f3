"""ResUNet, the plain network beside AGI-Net: trained, scored, and its imputations segmented."""

from kedro.pipeline import Pipeline

from mrisynth_pipeline.pipelines.resunet.nodes import train_resunet
from mrisynth_pipeline.pipelines.translation import translation_pipeline


def create_pipeline(**_: object) -> Pipeline:
    """Train, score on every subset, and segment with its imputations if there is a segmenter."""
    return translation_pipeline("resunet", train_resunet)
