from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom import fabricate_cohort


@pytest.fixture(scope="session")
def glioma_parameters():
    return PhantomParameters(layout="brats", n_subjects=6, spacing_mm=5.0)


@pytest.fixture(scope="session")
def glioma_dir(tmp_path_factory, glioma_parameters) -> Path:
    """Six glioma subjects as from the scanner; the last is the second visit of the one before."""
    folder = tmp_path_factory.mktemp("phantom") / "glioma"
    fabricate_cohort(glioma_parameters, registered=False, out_dir=folder, workers=1)
    return folder
