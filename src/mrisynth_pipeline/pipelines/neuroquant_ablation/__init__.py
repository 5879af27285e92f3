"""What NeuroQuant's autoencoder is worth: its peer, its ceiling and its own switches, over several seeds."""

from mrisynth_pipeline.pipelines.neuroquant_ablation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
