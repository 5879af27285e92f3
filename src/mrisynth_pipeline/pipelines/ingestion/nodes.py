"""From an archive on disk to a checked manifest."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.manifest import build_manifest


def list_scans(raw_cohort: dict[str, Any]) -> pd.DataFrame:
    """Find and check every scan of the archive; one manifest row each."""
    return build_manifest(
        raw_cohort["name"],
        raw_cohort["layout"],
        Path(raw_cohort["raw_dir"]),
        tuple(raw_cohort["modalities"]),
        workers=os.cpu_count() or 1,
    )
