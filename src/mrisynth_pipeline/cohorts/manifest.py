"""The manifest: one row per scan with its identity, what its check found, and why it is refused, if it is.

It depends on the files alone: rows are sorted, and there are no time stamps, so that equal archives give
equal manifests. Files whose names no reader understands appear as rows too (modality ``unrecognised``).
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.archives.layouts import (
    Layout,
    find_scans,
    get_layout,
    study_modalities,
    unrecognised_files,
)
from mrisynth_pipeline.cohorts.archives.scan_files import THEN, ScanFile
from mrisynth_pipeline.cohorts.checking import check_files, registered_subjects
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.integrity import ScanCheck, sentence
from mrisynth_pipeline.cohorts.manifest_schema import (
    COLUMNS,
    CSV_LOAD_ARGUMENTS,
    UNRECOGNISED,
    ManifestSchema,
    scan_path,
    usable,
    validate_manifest,
)
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, SEGMENTATION
from mrisynth_pipeline.cohorts.summary import data_fingerprint, summarise

__all__ = [
    "CSV_LOAD_ARGUMENTS",
    "UNRECOGNISED",
    "ManifestSchema",
    "build_manifest",
    "data_fingerprint",
    "scan_path",
    "summarise",
    "usable",
    "validate_manifest",
]

logger = logging.getLogger(__name__)


def build_manifest(
    cohort: str,
    kind: str,
    raw_dir: Path,
    modalities: tuple[str, ...] | None = None,
    workers: int = 1,
    registered: bool | None = None,
    journal: Path | None = None,
) -> pd.DataFrame:
    """Find and check every scan of an archive.

    Args:
        cohort: Free name of the cohort, written into each row.
        kind: Layout of the archive, a key of ``layouts.LAYOUTS``.
        raw_dir: Folder of the unpacked archive. A relative one is kept as it is, so that the manifest is the
            same wherever the project lies; see ``scan_path``.
        modalities: Contrasts of the study; files of others are left out. ``None`` takes all of the layout.
            Label maps are always listed.
        workers: Processes that check in parallel.
        registered: Whether the scans of a subject share one grid and are skull-stripped; ``None`` takes what the
            layout says and, where that depends on the subject, looks at the scans.
        journal: File that keeps the checks, so that files that did not change are not read again.

    Returns:
        A manifest that follows ``ManifestSchema``, with at least one usable scan.

    Raises:
        InputError: Unknown layout or contrast, folder missing or of another layout, a contrast of the study
            without a single file, or no usable scan.
    """
    layout, raw_dir = get_layout(kind), Path(raw_dir)
    found = find_scans(kind, raw_dir)
    modalities = study_modalities(kind, raw_dir, modalities, found)
    _require_every_modality(raw_dir, modalities, found)
    files = [file for file in found if file.modality in (*modalities, SEGMENTATION, BRAIN_MASK)]
    checked = check_files(files, raw_dir, workers, journal)
    ready = registered_subjects(checked, registered)
    rows = [
        _row(scan.file, scan.check, raw_dir, scan.problems, scan.remarks, registered=scan.file.subject in ready)
        for scan in checked
    ]
    strangers = unrecognised_files(raw_dir, found)
    rows += [_unrecognised_row(path, layout, raw_dir) for path in strangers]
    manifest = pd.DataFrame(rows).assign(cohort=cohort, raw_dir=str(raw_dir))[COLUMNS]
    manifest = manifest.sort_values(["subject", "modality", "path", "volume"], ignore_index=True)
    if strangers:
        logger.warning("%s: %d files with unrecognised names are left out", raw_dir, len(strangers))
    if spares := sum(bool(scan.file.spare) for scan in checked):
        logger.info("%s: %d scans are spare, better ones of the same contrast are used", raw_dir, spares)
    if refused := sum(bool(scan.problems) and not scan.file.spare for scan in checked):
        logger.warning("%s: %d of %d files are refused, the manifest says why", raw_dir, refused, len(files))
    _require_a_usable_scan(manifest, raw_dir)
    return validate_manifest(manifest)


def _require_every_modality(raw_dir: Path, modalities: tuple[str, ...], found: list[ScanFile]) -> None:
    """A contrast nobody has is a forgotten download; single subjects may be incomplete."""
    present = {file.modality for file in found}
    absent = [modality for modality in modalities if modality not in present]
    if absent:
        rest = [modality for modality in modalities if modality in present]
        raise InputError(
            raw_dir,
            f"no subject has a {' or '.join(absent)} scan",
            "Unpack the missing part of the archive, or set cohort.modalities to those present: "
            + ("+".join(rest) or "none"),
        )


def _require_a_usable_scan(manifest: pd.DataFrame, raw_dir: Path) -> None:
    scans = manifest[~manifest["modality"].isin([SEGMENTATION, BRAIN_MASK, UNRECOGNISED])]
    if usable(scans).empty:
        scans = scans[scans["spare"] == ""]
        reasons = "; ".join(scans["problems"].head(3))
        raise InputError(raw_dir, f"none of {len(scans)} scans is usable: {reasons}", "Mend or replace the files")


def _row(
    file: ScanFile,
    check: ScanCheck,
    raw_dir: Path,
    problems: list[str],
    remarks: list[str],
    registered: bool | None = None,
) -> dict[str, Any]:
    shipped = file.transform
    if not isinstance(shipped, str):
        shipped = THEN.join(path.relative_to(raw_dir).as_posix() for path in shipped)
    return {
        "subject": file.subject,
        "patient": file.patient,
        "session": file.session,
        "site": file.site,
        "modality": file.modality,
        "path": file.path.relative_to(raw_dir).as_posix(),
        "volume": "" if file.volume is None else str(file.volume),
        "layout": file.layout,
        "registered": "" if registered is None else "yes" if registered else "no",
        "labels": " ".join(f"{value}:{label}" for value, label in file.labels.items()),
        "transform": shipped,
        "spare": "yes" if file.spare else "",
        "shape": "x".join(map(str, check.shape)),
        "spacing_mm": "x".join(f"{size:.2f}" for size in check.spacing_mm),
        "orientation": check.orientation,
        "intensity_min": check.intensity_min,
        "intensity_max": check.intensity_max,
        "tissue_ml": check.tissue_ml,
        "sha256": check.sha256,
        "problems": "; ".join(problems),
        "remarks": "; ".join(remarks),
    }


def _unrecognised_row(path: Path, layout: Layout, raw_dir: Path) -> dict[str, Any]:
    problem = f"its name is not of this layout (expected names like {layout.example})"
    remedy = "Rename it, or leave it where it is: it is not used"
    if layout.why_not is not None:
        problem, remedy = layout.why_not(path, raw_dir)
    reason = sentence(path, problem, remedy)
    nowhere = ScanFile(subject="", patient="", session="", site="", modality=UNRECOGNISED, path=path)
    return _row(nowhere, ScanCheck(), raw_dir, [reason], [])
