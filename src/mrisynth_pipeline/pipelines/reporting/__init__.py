"""One page and one table that say what came out."""

from mrisynth_pipeline.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
