"""Reads the file names of ReMIND, brain resections with pre-operative MR, in NRRD or converted to NIfTI.

``Case001/Preop-MR/Case001-preop-MR-3D_SAG_T2_SPACE.nrrd``: the case, what it is (``preop-MR``, ``intraop-MR``,
``intraop-US``) and the series. ``Case001/Annotations/Case001-preop-SEG-tumor-MR-3D_AX_T2_SPACE.nrrd`` are binary
outlines of one structure. The file name alone decides. Several series of one contrast are the rule: 3-D before 2-D
series, then those with a shipped transform, then axial before sagittal before coronal.

Recognised and left out: intra-operative MR (``intraop-t2``: the brain has shifted and part of the tumour is gone),
ultrasound (``us``) and outlines (``outline``: one label for the whole tumour, its parts unknown, so no tumour label
map of this project).

Shipped transforms (anywhere below the folder, found by name) are ITK files
``Case001-<reference series>-to-<moving series>.tfm``, a series being named as its file is. The authors resample the
moving series onto the reference with the inverse of the file's transform, so the file maps points of the moving series
to points of the reference: what ``ScanFile.transform`` wants.

Source: Juvekar et al., Scientific Data 2024, and the public scripts of the data set's authors.
"""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.archives.scan_files import IDENTITY, SCAN_SUFFIXES, ScanFile, all_files, keep_best
from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES

MODALITIES = tuple(DISPLAY_NAMES)
EXAMPLE = "Case001/Preop-MR/Case001-preop-MR-3D_SAG_T2_SPACE.nrrd"

_SERIES = r"Case\d{3,}-(?:preop|intraop)-(?:MR|US)-[\w-]+?"
_SCAN = re.compile(
    r"(?P<case>Case\d{3,})-(?P<when>preop|intraop)-(?P<kind>MR|US|SEG)-(?P<series>[\w-]+)", re.IGNORECASE
)
_TRANSFORM = re.compile(rf"Case\d{{3,}}-(?P<reference>{_SERIES})-to-(?P<moving>{_SERIES})\.tfm", re.IGNORECASE)
_PLANES = ("AX", "SAG", "COR")


def find_scans(raw_dir: Path) -> list[ScanFile]:
    """All series and outlines of a ReMIND archive.

    Args:
        raw_dir: Folder of the downloaded archive.

    Returns:
        One entry per recognised file, sorted by path; empty when nothing is recognised.

    Raises:
        InputError: A folder cannot be listed.
    """
    paths = all_files(raw_dir)
    scans = [scan for path in paths if path.name.endswith(SCAN_SUFFIXES) and (scan := _parse(path))]
    transforms = [(match, path) for path in paths if (match := _TRANSFORM.fullmatch(path.name))]
    scans = _with_transforms(scans, transforms)
    contrasts = [scan for scan in scans if scan.modality in MODALITIES]
    others = [scan for scan in scans if scan.modality not in MODALITIES]
    return sorted([*keep_best(contrasts, _rank), *others], key=lambda scan: scan.path)


def _parse(path: Path) -> ScanFile | None:
    """The series or outline a file name stands for, ``None`` when the name is not of this archive."""
    match = _SCAN.fullmatch(_stem(path))
    if match is None:
        return None
    kind, when, case = match["kind"].upper(), match["when"].lower(), match["case"].capitalize()
    if kind == "SEG":
        modality = "outline"
    elif kind == "US":
        modality = "us"
    else:
        modality = _contrast(match["series"]) if when == "preop" else f"intraop-{_contrast(match['series'])}"
    return ScanFile(subject=case, patient=case, session="", site="", modality=modality, path=path)


def _contrast(series: str) -> str:
    """Contrast of a series such as ``3D_AX_T1_postcontrast``; ``other`` where the name does not tell."""
    words = set(re.split(r"[_-]", series.upper()))
    if "FLAIR" in words:
        return "flair"
    if "T1" in words:
        return "t1c" if "POSTCONTRAST" in words else "t1"
    return next((word.lower() for word in ("T2", "PD") if word in words), "other")


def _with_transforms(scans: list[ScanFile], transforms: list[tuple[re.Match[str], Path]]) -> list[ScanFile]:
    """Give each scan its way into the space of one reference series per case.

    A case may have transforms to several references: the one that most of its pre-operative series lead to is taken,
    since the scans of a subject must share one space.
    """
    leads_to: dict[str, dict[str, Path]] = defaultdict(dict)  # reference series → moving series → file
    for match, path in transforms:
        leads_to[match["reference"].lower()][match["moving"].lower()] = path
    stems = {scan.path: _stem(scan.path).lower() for scan in scans}
    members: dict[str, list[ScanFile]] = defaultdict(list)
    for scan in scans:
        members[scan.subject].append(scan)
    placed: list[ScanFile] = []
    for case, own in members.items():
        series = {stems[scan.path] for scan in own if scan.modality in MODALITIES}
        references = sorted(name for name in leads_to if name.startswith(f"{case.lower()}-"))
        reference = max(references, key=lambda name, series=series: len(series & {name, *leads_to[name]}), default="")
        ways = {**leads_to.get(reference, {}), reference: IDENTITY}
        placed += [
            replace(scan, transform=ways.get(stems[scan.path], "")) if scan.modality in MODALITIES else scan
            for scan in own
        ]
    return placed


def _rank(scan: ScanFile) -> tuple[Any, ...]:
    """Smallest for the series to take."""
    words = re.split(r"[_-]", _stem(scan.path).upper())
    plane = next((place for place, name in enumerate(_PLANES) if name in words), len(_PLANES))
    return ("3D" not in words, not scan.transform, plane, words[-1] == "R")


def _stem(path: Path) -> str:
    """The file name without its ending."""
    return path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".nrrd")
