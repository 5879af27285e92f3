"""A lab's own scans, imputed: what ``mrisynth impute`` does, as a pipeline."""

from mrisynth_pipeline.pipelines.impute.pipeline import create_pipeline

__all__ = ["create_pipeline"]
