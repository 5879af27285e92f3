"""The manifest: one row per scan with its identity, what its check found, and why it is refused, if it is.

It depends on the files alone: rows are sorted, and there are no time stamps, so that equal archives give
equal manifests. Files whose names no reader understands appear as rows too (modality ``unrecognised``).
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.integrity import KnownScan, ScanCheck, sentence
from mrisynth_pipeline.cohorts.layouts import Layout, find_scans, get_layout, unrecognised_files
from mrisynth_pipeline.cohorts.manifest_schema import (
    COLUMNS,
    CSV_LOAD_ARGUMENTS,
    UNRECOGNISED,
    ManifestSchema,
    scan_path,
    usable,
    validate_manifest,
)
from mrisynth_pipeline.cohorts.modalities import SEGMENTATION
from mrisynth_pipeline.cohorts.scan_files import ScanFile
from mrisynth_pipeline.cohorts.scanning import ScanTask, check_scans
from mrisynth_pipeline.cohorts.subject_checks import check_across_files
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
    previous: pd.DataFrame | None = None,
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
        previous: Manifest of an earlier run. Every file is hashed anew, and a scan whose path and hash are
            those of a row without problems is not decoded again (decoding is most of the time). Leave it out
            after an update of the checks themselves.

    Returns:
        A manifest that follows ``ManifestSchema``, with at least one usable scan.

    Raises:
        InputError: Unknown layout or contrast, folder missing or of another layout, a contrast of the study
            without a single file, or no usable scan.
    """
    layout, raw_dir = get_layout(kind), Path(raw_dir)
    modalities = _study_modalities(kind, layout, modalities)
    found = find_scans(kind, raw_dir)
    files = sorted(
        (file for file in found if file.modality in (*modalities, SEGMENTATION)),
        key=lambda file: (file.subject, file.modality, file.path.as_posix()),
    )
    _require_every_modality(raw_dir, modalities, found)

    known = {} if previous is None else _known_scans(validate_manifest(previous))
    tasks = [
        ScanTask(
            file.path,
            label_values=layout.label_values(file) if file.modality == SEGMENTATION else None,
            known=known.get(file.path.relative_to(raw_dir).as_posix()) if file.modality != SEGMENTATION else None,
        )
        for file in files
    ]
    checks = list(check_scans(tasks, workers))
    problems = check_across_files(files, checks, raw_dir)
    rows = [_row(file, check, texts, raw_dir) for file, check, texts in zip(files, checks, problems, strict=True)]
    strangers = unrecognised_files(raw_dir, found)
    rows += [_unrecognised_row(path, layout, raw_dir) for path in strangers]
    manifest = pd.DataFrame(rows).assign(cohort=cohort, raw_dir=str(raw_dir))[COLUMNS]
    manifest = manifest.sort_values(["subject", "modality", "path"], ignore_index=True)
    if strangers:
        logger.warning("%s: %d NIfTI files with unrecognised names are left out", raw_dir, len(strangers))
    if refused := sum(map(bool, problems)):
        logger.warning("%s: %d of %d files are refused, the manifest says why", raw_dir, refused, len(files))
    _require_a_usable_scan(manifest, raw_dir)
    return validate_manifest(manifest)


def _study_modalities(kind: str, layout: Layout, modalities: tuple[str, ...] | None) -> tuple[str, ...]:
    """The contrasts asked for, or all of the layout."""
    for modality in modalities or ():
        if modality not in layout.modalities:
            raise InputError(
                "cohort.modalities",
                f"{modality!r} is no contrast of the {kind} layout",
                f"Use some of: {', '.join(layout.modalities)}",
            )
    return tuple(modalities) if modalities else layout.modalities


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
            + (", ".join(rest) or "none"),
        )


def _require_a_usable_scan(manifest: pd.DataFrame, raw_dir: Path) -> None:
    scans = manifest[~manifest["modality"].isin([SEGMENTATION, UNRECOGNISED])]
    if usable(scans).empty:
        reasons = "; ".join(scans["problems"].head(3))
        raise InputError(raw_dir, f"none of {len(scans)} scans is usable: {reasons}", "Mend or replace the files")


def _known_scans(previous: pd.DataFrame) -> dict[str, KnownScan]:
    """Path → earlier result, for scans that were sound then."""
    return {
        row.path: KnownScan(row.sha256, row.intensity_min, row.intensity_max) for row in usable(previous).itertuples()
    }


def _row(file: ScanFile, check: ScanCheck, problems: list[str], raw_dir: Path) -> dict[str, Any]:
    return {
        "subject": file.subject,
        "patient": file.patient,
        "session": file.session,
        "site": file.site,
        "modality": file.modality,
        "path": file.path.relative_to(raw_dir).as_posix(),
        "shape": "x".join(map(str, check.shape)),
        "spacing_mm": "x".join(f"{size:.2f}" for size in check.spacing_mm),
        "orientation": check.orientation,
        "intensity_min": check.intensity_min,
        "intensity_max": check.intensity_max,
        "sha256": check.sha256,
        "problems": "; ".join(problems),
    }


def _unrecognised_row(path: Path, layout: Layout, raw_dir: Path) -> dict[str, Any]:
    problem = f"its name is not of this layout (expected names like {layout.example})"
    reason = sentence(path, problem, "Rename it, or leave it where it is: it is not used")
    nowhere = ScanFile(subject="", patient="", session="", site="", modality=UNRECOGNISED, path=path)
    return _row(nowhere, ScanCheck(), [reason], raw_dir)
