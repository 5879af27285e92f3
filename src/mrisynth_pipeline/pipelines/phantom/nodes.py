"""The built-in cohort."""

import os
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.archives.obtaining import portable
from mrisynth_pipeline.cohorts.parameters import CohortParameters, PhantomParameters


def provide_phantom(cohort: CohortParameters, phantom: PhantomParameters, phantom_folder: Path) -> dict[str, Any]:
    """Fabricate the phantom cohort, if the study is made of it.

    Args:
        cohort: Which cohort.
        phantom: How the phantom is made.
        phantom_folder: Where its archives are written.

    Returns:
        ``layout``, ``raw_dir`` and ``registered`` (one grid and skull-stripped); nothing where the study is made of
        an archive.
    """
    if cohort.kind != "phantom":
        return {}
    from mrisynth_pipeline.cohorts.phantom.cohort import fabricate_cohort

    # The phantom is "as from the scanner" unless it is asked to be otherwise.
    registered = cohort.registered is True
    raw_dir = phantom_folder / (f"{phantom.layout}-registered" if registered else phantom.layout)
    fabricate_cohort(phantom, registered, raw_dir, workers=phantom.workers or os.cpu_count() or 1)
    return {"layout": phantom.layout, "raw_dir": portable(raw_dir), "registered": registered}
