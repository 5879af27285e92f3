"""CodeBrain's published ablation, run here: each of its choices set otherwise, over several seeds."""

from mrisynth_pipeline.pipelines.ablation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
