"""Where the raw scans come from."""

import os
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.layouts import study_modalities
from mrisynth_pipeline.cohorts.obtaining import obtain
from mrisynth_pipeline.cohorts.parameters import CohortParameters, PhantomParameters


def provide_raw_cohort(
    cohort: CohortParameters, phantom: PhantomParameters, phantom_folder: Path, archive_folder: Path
) -> dict[str, Any]:
    """Say which archive the study is made of; fabricate, download, unpack or convert it first where need be.

    Args:
        cohort: Which cohort.
        phantom: How the phantom is made.
        phantom_folder: Where the phantom's archives are written.
        archive_folder: Where what is downloaded, unpacked or converted is written.

    Returns:
        ``name``, ``layout``, ``raw_dir`` (the folder that is really read), ``registered`` (one grid and
        skull-stripped; ``None``: it depends on the subject), ``modalities`` in channel order, and whether it is a
        ``phantom``.
    """
    is_phantom = cohort.kind == "phantom"
    # The phantom is "as from the scanner" unless it is asked to be otherwise.
    usual = False if is_phantom else None  # None: as the layout says, or as the scans show
    registered = usual if cohort.registered == "auto" else cohort.registered
    if is_phantom:
        from mrisynth_pipeline.cohorts.phantom.cohort import fabricate_cohort

        layout = phantom.layout
        raw_dir = phantom_folder / (f"{layout}-registered" if registered else layout)
        fabricate_cohort(phantom, registered, raw_dir, workers=os.cpu_count() or 1)
    else:
        layout, raw_dir = obtain(cohort, archive_folder, workers=os.cpu_count() or 1)
    return {
        "name": f"phantom-{layout}" if is_phantom else cohort.kind,
        "layout": layout,
        # Relative where possible: the manifest is then the same on every machine.
        "raw_dir": os.path.relpath(raw_dir) if Path(raw_dir).is_relative_to(Path.cwd()) else str(raw_dir),
        "registered": registered,
        "modalities": list(study_modalities(layout, raw_dir, cohort.modalities)),
        "phantom": is_phantom,
    }
