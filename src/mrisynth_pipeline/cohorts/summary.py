"""What a manifest amounts to: the numbers a person wants to see before anything is trained."""

import hashlib
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.manifest_schema import UNRECOGNISED, usable, withheld
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, DISPLAY_NAMES, SEGMENTATION

_MAX_EXAMPLES = 20
"""Unrecognised files named one by one; the manifest has them all."""


def summarise(manifest: pd.DataFrame) -> dict[str, Any]:
    """Counts, refusals and a fingerprint of a cohort, ready for JSON.

    Args:
        manifest: As ``manifest.build_manifest`` returns it.

    Returns:
        ``cohort``; ``subjects`` and ``patients`` (with a usable scan); ``modalities`` of the study;
        ``complete_subjects`` (every contrast usable); ``incomplete_subjects`` {subject: missing contrasts};
        ``subjects_without_usable_scan``; ``scans_per_modality`` (usable); ``label_maps`` (usable);
        ``refused_scans`` [{subject, modality, path, problems}]; ``spare_scans`` (sound or not, a better one of their
        contrast is used) the same; ``withheld_scans`` {modality: count} (``cohort.drop_fraction``);
        ``unrecognised_files`` {count, examples};
        ``subjects_per_site``; ``spacing_range_mm`` {modality: [smallest, largest]} over all axes;
        ``patients_with_several_time_points`` {patient: subjects}; ``fingerprint`` of the usable data.
    """
    known = manifest[manifest["modality"] != UNRECOGNISED]
    unrecognised = manifest.loc[manifest["modality"] == UNRECOGNISED, "path"]
    scans = usable(known[~known["modality"].isin([SEGMENTATION, BRAIN_MASK])])
    listed = set(known["modality"])
    modalities = [name for name in DISPLAY_NAMES if name in listed]  # channel order
    present = scans.groupby("subject")["modality"].agg(set)
    missing = {str(subject): [name for name in modalities if name not in has] for subject, has in present.items()}
    subjects = scans.drop_duplicates("subject")
    per_patient = subjects.groupby("patient")["subject"].agg(list)
    named = known[["subject", "modality", "path", "problems"]]
    dropped = withheld(known)
    at_fault = (known["problems"] != "") & (known["spare"] == "") & ~known.index.isin(dropped.index)
    refused, spare = named[at_fault], named[known["spare"] != ""]
    return {
        "cohort": str(manifest["cohort"].iloc[0]),
        "subjects": len(subjects),
        "patients": int(subjects["patient"].nunique()),
        "modalities": modalities,
        "complete_subjects": sum(not names for names in missing.values()),
        "incomplete_subjects": {subject: names for subject, names in missing.items() if names},
        "subjects_without_usable_scan": sorted(set(known["subject"]) - set(scans["subject"])),
        "scans_per_modality": {name: int((scans["modality"] == name).sum()) for name in modalities},
        "label_maps": int((usable(known)["modality"] == SEGMENTATION).sum()),
        "refused_scans": refused.to_dict("records"),
        "spare_scans": spare.to_dict("records"),
        "withheld_scans": {
            str(name): int(count) for name, count in dropped["modality"].value_counts(sort=False).items()
        },
        "unrecognised_files": {"count": len(unrecognised), "examples": list(unrecognised[:_MAX_EXAMPLES])},
        "subjects_per_site": {
            str(site): int(count) for site, count in subjects["site"].value_counts().sort_index().items()
        },
        "spacing_range_mm": {
            str(name): _spacing_range(sizes) for name, sizes in scans.groupby("modality")["spacing_mm"]
        },
        "patients_with_several_time_points": {
            str(patient): names for patient, names in per_patient.items() if len(names) > 1
        },
        "fingerprint": data_fingerprint(manifest),
    }


def data_fingerprint(manifest: pd.DataFrame) -> str:
    """SHA-256 over the usable files: which bytes play which part (subject, modality), wherever they lie.

    Equal for equal data under another raw directory or folder structure; different as soon as a file
    changes, comes, goes or changes its role.
    """
    rows = usable(manifest)
    lines = sorted(rows["subject"] + " " + rows["modality"] + " " + rows["sha256"])
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _spacing_range(spacings: pd.Series) -> list[float]:
    """Smallest and largest voxel edge in mm among ``"1.00x1.00x1.00"`` texts."""
    edges = [float(edge) for text in spacings.unique() for edge in text.split("x")]
    return [min(edges), max(edges)]
