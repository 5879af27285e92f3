"""A lab's own scans, imputed."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.impute.nodes import impute_own_scans


def create_pipeline(**_: object) -> Pipeline:
    """One node: everything it does per subject is in the room ``imputing``."""
    return Pipeline([Node(impute_own_scans, "params:impute", "imputed_subjects", name="impute_own_scans")])
