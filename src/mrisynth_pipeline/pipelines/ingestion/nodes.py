"""From an archive on disk to a checked manifest."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.manifest import build_manifest


def list_scans(raw_cohort: dict[str, Any], workspace: Path) -> pd.DataFrame:
    """Find and check every scan of the archive; one manifest row each.

    Args:
        raw_cohort: Which archive.
        workspace: Folder of the journal that a killed check goes on from.
    """
    return build_manifest(
        raw_cohort["name"],
        raw_cohort["layout"],
        Path(raw_cohort["raw_dir"]),
        tuple(raw_cohort["modalities"]),
        workers=os.cpu_count() or 1,
        registered=raw_cohort["registered"],
        journal=workspace / "checks.jsonl",
    )
