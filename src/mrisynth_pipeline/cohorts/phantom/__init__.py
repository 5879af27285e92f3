"""The built-in cohort: a physics-based digital brain phantom."""

from mrisynth_pipeline.cohorts.phantom.cohort import fabricate_cohort, truth_dir

__all__ = ["fabricate_cohort", "truth_dir"]
