"""From raw scans to one model-ready file per subject."""

from mrisynth_pipeline.pipelines.preprocessing.pipeline import create_pipeline

__all__ = ["create_pipeline"]
