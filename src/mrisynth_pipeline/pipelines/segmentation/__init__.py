"""Whether imputed contrasts serve tumour segmentation."""

from mrisynth_pipeline.pipelines.segmentation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
