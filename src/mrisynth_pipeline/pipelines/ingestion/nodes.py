"""From an archive on disk to a checked manifest."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.archives.layouts import study_modalities
from mrisynth_pipeline.cohorts.archives.obtaining import obtain, portable
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest import build_manifest
from mrisynth_pipeline.cohorts.parameters import CohortParameters
from mrisynth_pipeline.pipelines.products import may_lack


@may_lack("phantom_cohort")
def provide_raw_cohort(
    cohort: CohortParameters, phantom_cohort: dict[str, Any] | None, archive_folder: Path
) -> dict[str, Any]:
    """Say which archive the study is made of; download, unpack or convert it first where need be.

    Args:
        cohort: Which cohort.
        phantom_cohort: The phantom, where the study is made of it.
        archive_folder: Where what is downloaded, unpacked or converted is written.

    Returns:
        ``name``, ``layout``, ``raw_dir`` (the folder that is really read), ``registered`` (one grid and
        skull-stripped; ``None``: as the layout says, or as the scans show), ``modalities`` in channel order, and
        whether it is a ``phantom``.

    Raises:
        InputError: The phantom has not been fabricated, or the archive cannot be had.
    """
    is_phantom = cohort.kind == "phantom"
    if is_phantom and not phantom_cohort:
        remedy = "Run the phantom pipeline first (--pipelines phantom,ingestion), or name an archive"
        raise InputError("cohort.kind=phantom", "there is no phantom yet", remedy)
    if is_phantom:
        layout, raw_dir, registered = (phantom_cohort[name] for name in ("layout", "raw_dir", "registered"))
    else:
        layout, raw_dir = obtain(cohort, archive_folder, workers=os.cpu_count() or 1)
        registered = None if cohort.registered == "auto" else cohort.registered
    return {
        "name": f"phantom-{layout}" if is_phantom else cohort.kind,
        "layout": layout,
        "raw_dir": portable(Path(raw_dir)),
        "registered": registered,
        "modalities": list(study_modalities(layout, Path(raw_dir), cohort.modalities)),
        "phantom": is_phantom,
    }


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
