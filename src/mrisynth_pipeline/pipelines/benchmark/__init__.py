"""All methods in one comparison: one preparation, one split, one protocol."""

from mrisynth_pipeline.pipelines.benchmark.pipeline import create_pipeline

__all__ = ["create_pipeline"]
