"""From an archive on disk to a checked manifest and a split."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.cohorts.manifest import summarise
from mrisynth_pipeline.cohorts.splits import make_split, split_report
from mrisynth_pipeline.pipelines.ingestion.nodes import list_scans


def create_pipeline(**_: object) -> Pipeline:
    """List and check the scans, then divide the patients."""
    return Pipeline(
        [
            Node(list_scans, ["raw_cohort", "ingestion_workspace"], "manifest", name="list_scans"),
            Node(summarise, "manifest", "manifest_summary", name="summarise_manifest"),
            Node(make_split, ["manifest", "params:split"], "split", name="split_patients"),
            Node(split_report, ["split", "manifest"], "split_summary", name="summarise_split"),
        ]
    )
