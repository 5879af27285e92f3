"""What a person should know about an archive before anything is trained on it: every oddity, one line each."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mrisynth_pipeline.cohorts.manifest_schema import UNRECOGNISED, usable, withheld
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, DISPLAY_NAMES, SEGMENTATION, ULTRASOUND
from mrisynth_pipeline.cohorts.subject_checks import SAME_CONTENT, STEPS_IN

KINDS = {
    "refused": "Refused: these files are not used",
    "duplicate": "Refused as suspected duplicates",
    "withheld": "Withheld for an experiment",
    "incomplete": "Subjects that lack a contrast",
    "header": "Headers that disagree",
    "orientation": "Unusual orientation",
    "spacing": "Unusual voxel size",
    "intensity": "Unusual intensities",
    "tissue": "Implausible volume of tissue",
    "repeated": "Patients with several time points",
    "spare": "Second scans of a contrast",
    "unrecognised": "Files whose names say nothing",
}
"""Kind of finding → its heading, in the order of the report: what costs data first."""

COLUMNS = ("kind", "subject", "modality", "file", "finding")

_ENOUGH = 8
"""Scans of a contrast from which on 'unusual' means something."""
_OUTLIER = 5.0  # robust standard deviations (1.4826 × median absolute deviation)
_SPACING_FACTOR = 1.5  # a voxel edge that differs by less from the cohort's median is no oddity
_INTENSITY_FACTOR = 10.0  # scanners differ by factors of a few
_BRAIN_ML = (600.0, 2200.0)
_RARE_SHARE = 0.05


def find_oddities(manifest: pd.DataFrame) -> pd.DataFrame:
    """Every finding of a manifest.

    Outliers are judged against the other scans of the same contrast by median and median absolute deviation, and
    only where there are at least eight of them.

    Args:
        manifest: As ``manifest.build_manifest`` returns it.

    Returns:
        One row per finding: ``kind`` (a key of ``KINDS``), ``subject``, ``modality``, ``file`` (relative to the raw
        directory), ``finding`` (a sentence); sorted by kind in the order of ``KINDS``, then by subject.
    """
    rows = [
        *_refusals(manifest),
        *_withheld(manifest),
        *_incomplete(manifest),
        *_remarks(manifest),
        *_outliers(manifest),
        *_implausible_brains(manifest),
        *_repeated(manifest),
    ]
    findings = pd.DataFrame(rows, columns=list(COLUMNS))
    order = {kind: position for position, kind in enumerate(KINDS)}
    return findings.sort_values(
        ["kind", "subject", "modality", "file"],
        key=lambda column: column.map(order) if column.name == "kind" else column,
        ignore_index=True,
    )


def _refusals(manifest: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    at_fault = (manifest["problems"] != "") & ~manifest.index.isin(withheld(manifest).index)
    for row in manifest[at_fault].itertuples():
        kind = "refused"
        if row.modality == UNRECOGNISED:
            kind = "unrecognised"
        elif SAME_CONTENT in row.problems:
            kind = "duplicate"
        elif row.spare == "yes":
            kind = "spare"
        yield kind, row.subject, row.modality, row.path, row.problems


def _withheld(manifest: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """One line per contrast: the experimenter asked for it, and the manifest says which scans they are."""
    for modality, rows in withheld(manifest).groupby("modality"):
        finding = f"{len(rows)} sound files of {rows['subject'].nunique()} subjects, by cohort.drop_fraction"
        yield "withheld", "", modality, "", finding


def _scans(manifest: pd.DataFrame) -> pd.DataFrame:
    """Usable scans, without label maps and masks."""
    rows = usable(manifest)
    return rows[~rows["modality"].isin([SEGMENTATION, BRAIN_MASK, UNRECOGNISED])]


def _incomplete(manifest: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    scans = _scans(manifest)
    listed = [name for name in DISPLAY_NAMES if name in set(manifest["modality"])]
    known = manifest[(manifest["subject"] != "") & manifest["modality"].isin(listed)]
    has = scans.groupby("subject")["modality"].agg(set)
    for subject in sorted(set(known["subject"])):
        missing = [name for name in listed if name not in has.get(subject, set())]
        if missing:
            named = ", ".join(DISPLAY_NAMES[name] for name in missing)
            left = "no usable scan is left" if len(missing) == len(listed) else "it goes on with the others"
            yield "incomplete", subject, "", "", f"without {named}: {left}"


def _remarks(manifest: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in manifest[manifest["remarks"] != ""].itertuples():
        for remark in row.remarks.split("; "):
            kind = "spare" if STEPS_IN in remark else "header"
            yield kind, row.subject, row.modality, row.path, remark


def _outliers(manifest: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for modality, rows in _scans(manifest).groupby("modality"):
        if len(rows) < _ENOUGH:
            continue
        spacing = np.array([[float(edge) for edge in text.split("x")] for text in rows["spacing_mm"]])
        # Edges are compared by size, not by axis: which axis is the slice direction is orientation's business.
        odd = np.any([_is_outlier(edges, _SPACING_FACTOR) for edges in np.sort(spacing, axis=1).T], axis=0)
        usual = "x".join(f"{edge:.2f}" for edge in np.median(np.sort(spacing, axis=1), axis=0))
        for row in rows[odd].itertuples():
            yield "spacing", row.subject, modality, row.path, f"voxels of {row.spacing_mm} mm, usual are {usual}"
        top = rows["intensity_max"].to_numpy(float)
        for row in rows[_is_outlier(top, _INTENSITY_FACTOR)].itertuples():
            finding = f"brightest voxel {row.intensity_max:g}, usual is {np.median(top):g}: other units, or rescaled"
            yield "intensity", row.subject, modality, row.path, finding
        if modality == ULTRASOUND:  # the surgeon holds the probe as the tumour lies
            continue
        share = rows["orientation"].map(rows["orientation"].value_counts(normalize=True))
        most = rows["orientation"].mode().iloc[0]
        for row in rows[share <= _RARE_SHARE].itertuples():
            finding = f"stored as {row.orientation}, most as {most}: if converted by hand, check left and right"
            yield "orientation", row.subject, modality, row.path, finding


def _is_outlier(values: np.ndarray, factor: float) -> np.ndarray:
    """Which positive values are far from the median, in robust standard deviations and by at least a factor."""
    logs = np.log(np.maximum(values, 1e-12))
    distance = np.abs(logs - np.median(logs))
    spread = 1.4826 * np.median(distance)
    return distance > max(_OUTLIER * spread, np.log(factor))


def _implausible_brains(manifest: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    scans = _scans(manifest)
    for row in scans[scans["registered"] == "yes"].itertuples():
        if not _BRAIN_ML[0] <= row.tissue_ml <= _BRAIN_ML[1]:
            finding = f"{row.tissue_ml:.0f} mL above 0 in a skull-stripped scan: not one whole brain, or not stripped"
            yield "tissue", row.subject, row.modality, row.path, finding


def _repeated(manifest: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    per_patient = _scans(manifest).drop_duplicates("subject").groupby("patient")["subject"].agg(list)
    for patient, subjects in per_patient.items():
        if len(subjects) > 1:
            finding = f"{len(subjects)} time points of {patient}: {', '.join(subjects)}; splits keep them together"
            yield "repeated", str(patient), "", "", finding
