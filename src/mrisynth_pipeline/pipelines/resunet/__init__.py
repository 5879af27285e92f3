"""ResUNet, the plain network beside AGI-Net: trained, scored, and its imputations segmented."""

from mrisynth_pipeline.pipelines.resunet.pipeline import create_pipeline

__all__ = ["create_pipeline"]
