"""Stage II: predicting the codes from what is available."""

from mrisynth_pipeline.pipelines.stage2.pipeline import create_pipeline

__all__ = ["create_pipeline"]
