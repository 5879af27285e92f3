"""The built-in cohort, or the archive that takes its place."""

from mrisynth_pipeline.pipelines.phantom.pipeline import create_pipeline

__all__ = ["create_pipeline"]
