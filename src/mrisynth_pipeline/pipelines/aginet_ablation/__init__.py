"""What AGI-Net's parts are worth: its variants and controls, trained alike, over several seeds."""

from mrisynth_pipeline.pipelines.aginet_ablation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
