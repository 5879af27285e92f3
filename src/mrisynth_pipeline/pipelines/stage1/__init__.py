"""Stage I: the autoencoder and its codes."""

from mrisynth_pipeline.pipelines.stage1.pipeline import create_pipeline

__all__ = ["create_pipeline"]
