"""What it costs each method that scans are missing from the cohort it is trained on."""

from mrisynth_pipeline.pipelines.incomplete_cohorts.pipeline import create_pipeline

__all__ = ["create_pipeline"]
