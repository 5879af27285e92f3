"""From an archive on disk to a checked manifest and a split."""

from mrisynth_pipeline.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
