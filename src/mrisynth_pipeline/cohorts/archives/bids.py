"""Reads the file names of any BIDS dataset: ``sub-01[/ses-02]/anat/sub-01[_ses-02][_ce-gadolinium]_T1w.nii.gz``.

``T1w``, ``T2w``, ``PDw`` and ``FLAIR`` are read, a T1w with a ``ce-`` entity as T1 with gadolinium. The file name alone
decides what a scan is. Of several acquisitions, reconstructions or runs of one contrast the one with the fewest
entities is taken, then the first run. The site of a patient is a column of ``participants.tsv``, where there is one.

From ``derivatives/`` come brain masks (``_desc-brain_mask``, ``_label-brain_mask``) and tumour label maps
(``_label-tumor_dseg``, ``_desc-tumor_dseg``, with the values of ``modalities.TUMOUR_LABELS``). Scans there are
processed copies and never mixed with the raw ones. Recognised and left out: those (``derivative``), other label maps
(``lesion``, ``derivative``), and what is no anatomical scan (``other``).

Transforms in ``derivatives/`` (``sub-01_from-T1w_to-FLAIR_mode-image_xfm.txt``) are not used: such a file resamples the
T1w onto the FLAIR, so its points run from FLAIR to T1w, the opposite of what ``ScanFile.transform`` wants.

Source: BIDS specification 1.10, modality-specific files (MRI), derivatives (imaging).
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile, keep_best, scan_paths
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, MR_CONTRASTS, SEGMENTATION

MODALITIES = MR_CONTRASTS
EXAMPLE = "sub-01/anat/sub-01_T1w.nii.gz"
SUFFIXES = {"t1": "T1w", "t1c": "T1w", "t2": "T2w", "flair": "FLAIR", "pd": "PDw"}
"""Internal contrast → BIDS suffix; ``t1c`` has the entity ``ce-gadolinium`` as well."""

_NAME = re.compile(
    r"sub-(?P<patient>[A-Za-z0-9]+)(?:_ses-(?P<session>[A-Za-z0-9]+))?"
    r"(?P<entities>(?:_[a-z]+-[A-Za-z0-9+.-]+)*)_(?P<suffix>[A-Za-z0-9]+)\.nii(\.gz)?"
)
_CONTRASTS = {"T1w": "t1", "T2w": "t2", "PDw": "pd", "FLAIR": "flair"}
_PLAIN_ENTITIES = {"task", "acq", "ce", "rec", "run", "echo"}
"""A scan with others is none of head contrast alone: part-phase, inv-1, mt-on, chunk-2."""
_DERIVED_ENTITIES = {"space", "desc", "res", "den", "label"}
_NATIVE_SPACES = {"", "orig", "individual", "T1w", "T2w", "PDw", "FLAIR"}
"""Masks in other spaces (templates) lie on no scan of the subject."""
_TUMOUR_LABELS = {0: 0, 1: 1, 2: 2, 3: 3}
_SITE_COLUMNS = ("site", "institution", "centre", "center", "scanner")


def find_scans(raw_dir: Path) -> list[ScanFile]:
    """All scans, brain masks and tumour label maps of a BIDS dataset, or of several below one folder.

    Args:
        raw_dir: Folder of the dataset.

    Returns:
        One entry per recognised file, sorted by path; empty when nothing is recognised.

    Raises:
        InputError: A folder cannot be listed, or a ``participants.tsv`` cannot be read.
    """
    sites: dict[Path, dict[str, str]] = {}
    scans = []
    for path in scan_paths(raw_dir):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        root = _dataset_of(path, raw_dir)
        if root not in sites:
            sites[root] = _read_sites(root / "participants.tsv")
        scans.append(_parse(path, match, sites[root], derived="derivatives" in path.relative_to(raw_dir).parts))
    used = [scan for scan in scans if scan.modality in (*MODALITIES, BRAIN_MASK, SEGMENTATION)]
    others = [scan for scan in scans if scan.modality not in (*MODALITIES, BRAIN_MASK, SEGMENTATION)]
    return sorted([*keep_best(used, _rank), *others], key=lambda scan: scan.path)


def _parse(path: Path, match: re.Match[str], sites: Mapping[str, str], derived: bool) -> ScanFile:
    patient, session = f"sub-{match['patient']}", match["session"] or ""
    modality = _modality(_entities(match), match["suffix"], derived)
    return ScanFile(
        subject=f"{patient}_ses-{session}" if session else patient,
        patient=patient,
        session=session,
        site=sites.get(patient, ""),
        modality=modality,
        path=path,
        labels=_TUMOUR_LABELS if modality == SEGMENTATION else {},
    )


def _modality(entities: Mapping[str, str], suffix: str, derived: bool) -> str:
    """What a file is, from the entities and the suffix of its name and from whether it lies below derivatives/."""
    about = {entities.get("label", "").lower(), entities.get("desc", "").lower()}
    if suffix in ("mask", "dseg", "probseg"):
        native = entities.get("space", "") in _NATIVE_SPACES
        if derived and native and suffix == "mask" and "brain" in about:
            return BRAIN_MASK
        if derived and native and suffix == "dseg" and about & {"tumor", "tumour"}:
            return SEGMENTATION
        return "lesion" if any(word.startswith("lesion") for word in about) else "derivative"
    if derived or entities.keys() & _DERIVED_ENTITIES:
        return "derivative"
    magnitude = {name for name in entities if (name, entities[name]) != ("part", "mag")}
    if suffix not in _CONTRASTS or magnitude - _PLAIN_ENTITIES:
        return "other"
    return "t1c" if suffix == "T1w" and "ce" in entities else _CONTRASTS[suffix]


def _rank(scan: ScanFile) -> tuple[Any, ...]:
    """Smallest for the scan to take: few entities that set it apart, then a low run, then a low echo."""
    match = _NAME.fullmatch(scan.path.name)
    entities = _entities(match) if match else {}
    apart = sum(name in entities for name in ("acq", "rec", "space", "res"))
    contrast_agent = scan.modality != "t1c" and "ce" in entities
    return (contrast_agent, apart, *(_number(entities.get(name, "0")) for name in ("run", "echo")))


def _entities(match: re.Match[str]) -> dict[str, str]:
    """``_acq-mprage_run-1`` → {acq: mprage, run: 1}."""
    return dict(part.split("-", 1) for part in match["entities"].split("_") if part)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _dataset_of(path: Path, raw_dir: Path) -> Path:
    """The folder that holds ``participants.tsv``: above ``derivatives`` or the patient's folder."""
    parts = path.relative_to(raw_dir).parts[:-1]
    depth = next((i for i, part in enumerate(parts) if part == "derivatives" or part.startswith("sub-")), len(parts))
    return raw_dir.joinpath(*parts[:depth])


def _read_sites(table: Path) -> dict[str, str]:
    """Patient → site from a participants table; empty where there is no table or no column that says it."""
    if not table.is_file():
        return {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(table, f"the table cannot be read ({error})", "Save it as tab-separated UTF-8 text") from error
    columns = {str(name).strip().lower(): name for name in (rows[0] if rows else ())}
    column = next((columns[name] for name in _SITE_COLUMNS if name in columns), None)
    if column is None or "participant_id" not in columns:
        return {}
    sites = {}
    for row in rows:
        patient, site = ((row[name] or "").strip() for name in (columns["participant_id"], column))
        if site.lower() not in ("", "n/a"):
            sites[patient if patient.startswith("sub-") else f"sub-{patient}"] = site
    return sites
