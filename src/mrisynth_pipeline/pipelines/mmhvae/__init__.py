"""MMHVAE (arXiv 2410.19378): trained on incomplete studies, scored, its doubt examined, its imputations segmented."""

from mrisynth_pipeline.pipelines.mmhvae.pipeline import create_pipeline

__all__ = ["create_pipeline"]
