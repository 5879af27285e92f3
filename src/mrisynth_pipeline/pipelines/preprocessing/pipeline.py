"""From raw scans to one model-ready file per subject."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.preprocessing.nodes import (
    describe_study,
    draw_montage,
    learn_intensity_standard,
    prepare_subjects,
)


def create_pipeline(**_: object) -> Pipeline:
    """Prepare every subject, picture the result, and settle who takes part in what."""
    return Pipeline(
        [
            Node(
                learn_intensity_standard,
                ["raw_cohort", "manifest", "split", "params:preprocessing"],
                "intensity_standard",
                name="learn_intensity_standard",
            ),
            Node(
                prepare_subjects,
                ["raw_cohort", "manifest", "subjects", "intensity_standard", "params:preprocessing"],
                "preprocessing_index",
                name="prepare_subjects",
            ),
            Node(
                draw_montage,
                ["raw_cohort", "subjects", "preprocessing_index"],
                "registration_montage",
                name="draw_registration_montage",
            ),
            Node(
                describe_study,
                [
                    "raw_cohort",
                    "manifest_summary",
                    "split",
                    "subjects",
                    "preprocessing_index",
                    "intensity_standard",
                    "params:preprocessing",
                ],
                "study",
                name="describe_study",
            ),
        ]
    )
