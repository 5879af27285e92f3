"""The pipeline ``impute``: what the command does, asked for by parameters."""

import json
import shutil

import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imputing.parameters import ImputeParameters
from mrisynth_pipeline.pipelines.impute.nodes import impute_own_scans


def test_without_scans_or_output_it_says_how_to_name_them():
    with pytest.raises(InputError, match=r"impute\.input=FOLDER"):
        impute_own_scans(ImputeParameters())


def test_own_scans_are_imputed_by_the_package_of_a_run(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "project")
    patient = json.loads((project.data / "05_model_input" / "study.json").read_text())["test"][0]
    [scans] = [path for path in (project.data / "01_raw").rglob(patient) if list(path.glob("*.nii.gz"))][:1]
    shutil.copytree(scans, tmp_path / "own" / patient)
    wishes = {"input": str(tmp_path / "own"), "output": str(tmp_path / "imputed"), "to": "flair", "n_samples": 2}
    project.run({"impute": wishes}, pipeline_names=["impute"])
    [row] = pd.read_csv(project.data / "07_model_output" / "imputed_subjects.csv").itertuples()
    assert (row.subject, row.status, row.imputed) == (patient, "done", "flair")
    [image] = (tmp_path / "imputed").rglob("*_desc-synth_FLAIR.nii.gz")
    [page] = (tmp_path / "imputed").glob("sub-*.html")
    assert image.stat().st_size and "computed phantoms" in page.read_text()
