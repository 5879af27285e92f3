"""NeuroQuant (arXiv 2604.05171): both stages trained, scored, its codes examined, and its imputations segmented."""

from mrisynth_pipeline.pipelines.neuroquant.pipeline import create_pipeline

__all__ = ["create_pipeline"]
