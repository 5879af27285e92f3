"""From raw scans to one model-ready file per subject."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.intensity_methods import DESCRIPTIONS
from mrisynth_pipeline.imaging.intensity_standard import learn_standard
from mrisynth_pipeline.imaging.montage import registration_montage
from mrisynth_pipeline.imaging.native import axial_window
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore

MONTAGE_SUBJECTS = 8
"""Rows of the montage: up to half of them subjects with warnings, the others evenly spread over the cohort."""


def learn_intensity_standard(
    raw_cohort: dict[str, Any],
    manifest: pd.DataFrame,
    split: pd.DataFrame,
    parameters: PreprocessingParameters,
) -> dict[str, Any]:
    """Learn the standard histogram that every scan is brought to, on training subjects; empty if none is needed."""
    if parameters.intensity.method != "nyul":
        return {}
    training = split.loc[split["split"] == "train", "subject"].tolist()
    return learn_standard(manifest, training, parameters, tuple(raw_cohort["modalities"]))


def prepare_subjects(
    raw_cohort: dict[str, Any],
    manifest: pd.DataFrame,
    subjects: SubjectStore,
    intensity_standard: dict[str, Any],
    parameters: PreprocessingParameters,
) -> pd.DataFrame:
    """Register, mask, scale and resample every subject; one file each, and an index of how it went."""
    modalities = tuple(raw_cohort["modalities"])
    return preprocess_cohort(manifest, subjects, parameters, modalities, intensity_standard.get("scale"))


def _done(index: pd.DataFrame) -> list[str]:
    return index.loc[index["status"] == "done", "subject"].tolist()


def draw_montage(raw_cohort: dict[str, Any], subjects: SubjectStore, index: pd.DataFrame) -> Figure:
    """Picture how well the contrasts of some subjects lie on each other: those with warnings, then others."""
    doubtful = index.loc[(index["status"] == "done") & (index["warnings"] != ""), "subject"].tolist()
    others = [subject for subject in _done(index) if subject not in set(doubtful)]
    doubtful = doubtful[: MONTAGE_SUBJECTS // 2]
    count = min(MONTAGE_SUBJECTS - len(doubtful), len(others))
    spread = [others[round(position)] for position in np.linspace(0, len(others) - 1, count)]
    return registration_montage(subjects, sorted([*doubtful, *spread]), tuple(raw_cohort["modalities"]))


def _window(file: SubjectFile, first: int, last: int) -> tuple[int, int]:
    """A published window of slices on the model grid."""
    return axial_window(file.metadata, file.shape[1], int(first), int(last))


def describe_study(
    raw_cohort: dict[str, Any],
    manifest_summary: dict[str, Any],
    split: pd.DataFrame,
    subjects: SubjectStore,
    index: pd.DataFrame,
    intensity_standard: dict[str, Any],
    parameters: PreprocessingParameters,
) -> dict[str, Any]:
    """Settle who takes part in what: all that training and evaluation need to know about the cohort.

    Returns:
        ``cohort``, ``phantom``, ``modalities`` in channel order, ``grid`` (``size`` and ``spacing_mm``, x y z),
        ``preprocessing`` (the parameters that a new scan is to be prepared with), ``intensity`` (all that maps a new
        scan to [0, 1] as these were: method, settings, standard), ``train`` / ``validation`` / ``test`` subjects whose
        file is done, ``complete`` (all contrasts present), ``labelled`` (with a tumour label map), ``withheld_scans``
        {modality: count}, ``slice_windows`` of a published split on the model grid, and a ``fingerprint`` of everything
        in these files.
    """
    done = set(_done(index))
    files = {subject: subjects.open(subject) for subject in sorted(done)}
    fingerprints = "".join(file.metadata["fingerprint"] for file in files.values())
    parts = {
        part: sorted(done & set(split.loc[split["split"] == part, "subject"]))
        for part in ("train", "validation", "test")
    }
    windows = {
        row.subject: _window(files[row.subject], row.first_slice, row.last_slice)
        for row in split.itertuples()
        if "first_slice" in split and row.subject in files
    }
    return {
        "cohort": raw_cohort["name"],
        "phantom": raw_cohort["phantom"],
        "modalities": raw_cohort["modalities"],
        "grid": parameters.grid.model_dump(mode="json"),
        "preprocessing": parameters.result_fields(),
        "intensity": {
            **parameters.intensity.model_dump(mode="json"),
            "standard": intensity_standard,
            "mapping": DESCRIPTIONS[parameters.intensity.method],
        },
        **parts,
        "complete": [subject for subject, file in files.items() if file.present.all()],
        "labelled": [subject for subject, file in files.items() if file.segmentation() is not None],
        "withheld_scans": manifest_summary.get("withheld_scans", {}),
        "slice_windows": windows,
        "data_fingerprint": manifest_summary["fingerprint"],
        "fingerprint": hashlib.sha256((fingerprints + str(parts) + str(windows)).encode()).hexdigest(),
    }
