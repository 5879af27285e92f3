"""What misalignment of one input costs, for every method that has been trained."""

from mrisynth_pipeline.pipelines.robustness.pipeline import create_pipeline

__all__ = ["create_pipeline"]
