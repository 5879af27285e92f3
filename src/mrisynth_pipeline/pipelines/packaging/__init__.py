"""A trained model with all that its use on a lab's own scans asks for: preprocessing, units, doubt, familiarity."""

from mrisynth_pipeline.pipelines.packaging.pipeline import create_pipeline

__all__ = ["create_pipeline"]
