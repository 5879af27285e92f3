"""AGI-Net (arXiv 2411.14684): trained, scored, and its imputations segmented."""

from mrisynth_pipeline.pipelines.aginet.pipeline import create_pipeline

__all__ = ["create_pipeline"]
