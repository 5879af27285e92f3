"""How good the imputations are, for every method through one door."""

from mrisynth_pipeline.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
