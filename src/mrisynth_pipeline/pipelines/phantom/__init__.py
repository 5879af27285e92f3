"""The built-in cohort."""

from mrisynth_pipeline.pipelines.phantom.pipeline import create_pipeline

__all__ = ["create_pipeline"]
