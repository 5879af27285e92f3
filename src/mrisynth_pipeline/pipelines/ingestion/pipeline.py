"""From an archive on disk to a checked manifest and a split."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.cohorts.dropping import withhold_scans
from mrisynth_pipeline.cohorts.findings import find_oddities
from mrisynth_pipeline.cohorts.manifest import summarise
from mrisynth_pipeline.cohorts.splits import make_split, split_report
from mrisynth_pipeline.pipelines.ingestion.nodes import list_scans, provide_raw_cohort
from mrisynth_pipeline.reporting.cohort_quality import quality_page, quality_text


def create_pipeline(**_: object) -> Pipeline:
    """Get hold of the archive, list and check its scans, divide the patients, and say what is odd about the scans.

    Scans are withheld (``cohort.drop_fraction``) once it is known who is trained on: what was found is kept as
    ``found_scans``, and the ``manifest`` is what everything else goes by.
    """
    return Pipeline(
        [
            Node(
                provide_raw_cohort,
                ["params:cohort", "phantom_cohort", "archive_folder"],
                "raw_cohort",
                name="provide_raw_cohort",
            ),
            Node(list_scans, ["raw_cohort", "ingestion_workspace"], "found_scans", name="list_scans"),
            Node(make_split, ["found_scans", "params:split"], "split", name="split_patients"),
            Node(withhold_scans, ["found_scans", "split", "params:cohort"], "manifest", name="withhold_scans"),
            Node(summarise, "manifest", "manifest_summary", name="summarise_manifest"),
            Node(find_oddities, "manifest", "findings", name="list_findings"),
            Node(quality_text, ["manifest_summary", "findings"], "cohort_quality_table", name="tabulate_quality"),
            Node(quality_page, ["manifest_summary", "findings"], "cohort_quality", name="write_quality_page"),
            Node(split_report, ["split", "manifest"], "split_summary", name="summarise_split"),
        ]
    )
