"""Reads the file names of ReMIND, brain resections with pre-operative MR, in NRRD or converted to NIfTI.

``Case001/Preop-MR/Case001-preop-MR-3D_SAG_T2_SPACE.nrrd``: the case, what it is (``preop-MR``, ``intraop-MR``,
``intraop-US``) and the series. ``Case001/Annotations/Case001-preop-SEG-tumor-MR-3D_AX_T2_SPACE.nrrd`` are binary
outlines of one structure. The file name alone decides. Several series of one contrast are the rule: 3-D before 2-D
series, then those with a shipped transform, then axial before sagittal before coronal.

Ultrasound (``us``) is the sweep before the dura was opened (``pre_dura``): the brain still lies as the MR shows it. A
study has it if ``cohort.modalities`` asks for it.

Recognised and left out: intra-operative MR (``intraop-t2``) and later ultrasound (``intraop-us``), for the brain has
shifted and part of the tumour is gone, and outlines (``outline``: one label for the whole tumour, its parts unknown,
so no tumour label map of this project).

Shipped transforms (anywhere below the folder, found by name) are ITK files
``Case001-<reference series>-to-<moving series>.tfm``, a series being named as its file is. The authors resample the
moving series onto the reference with the inverse of the file's transform, so the file maps points of the moving series
to points of the reference: a step of ``ScanFile.transform``. MR series lead to one MR series, and that one to the
ultrasound: most ways to the ultrasound have two steps.

Source: Juvekar et al., Scientific Data 2024, and the public scripts of the data set's authors.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.archives.scan_files import IDENTITY, SCAN_SUFFIXES, ScanFile, all_files, keep_best
from mrisynth_pipeline.cohorts.modalities import MR_CONTRASTS, ULTRASOUND

MODALITIES = MR_CONTRASTS
EXAMPLE = "Case001/Preop-MR/Case001-preop-MR-3D_SAG_T2_SPACE.nrrd"

_OF_USE = (*MODALITIES, ULTRASOUND)
_SERIES = r"Case\d{3,}-(?:preop|intraop)-(?:MR|US)-[\w-]+?"
_SCAN = re.compile(
    r"(?P<case>Case\d{3,})-(?P<when>preop|intraop)-(?P<kind>MR|US|SEG)-(?P<series>[\w-]+)", re.IGNORECASE
)
_TRANSFORM = re.compile(rf"Case\d{{3,}}-(?P<reference>{_SERIES})-to-(?P<moving>{_SERIES})\.tfm", re.IGNORECASE)
_BEFORE_OPENING = "pre_dura"
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
    contrasts = [scan for scan in scans if scan.modality in _OF_USE]
    others = [scan for scan in scans if scan.modality not in _OF_USE]
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
        early = match["series"].lower().startswith(_BEFORE_OPENING)
        modality = ULTRASOUND if early else f"intraop-{ULTRASOUND}"
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
    """Give each scan its way into the space of one series per case.

    The scans of a subject must share one space: of all series that transforms lead to, the one to which most of the
    case's series have a way. Ties go to the ultrasound: it has the ways of the MR series, with a step more.
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
        series = {stems[scan.path] for scan in own if scan.modality in _OF_USE}
        shared = sorted(name for name in leads_to if name.startswith(f"{case.lower()}-"))  # intraop before preop
        ways = max(
            (_ways(name, leads_to) for name in shared),
            key=lambda ways, series=series: len(series & ways.keys()),
            default={},
        )
        for scan in own:
            way = ways.get(stems[scan.path]) if scan.modality in _OF_USE else None
            placed.append(scan if way is None else replace(scan, transform=way or IDENTITY))
    return placed


def _ways(shared: str, leads_to: Mapping[str, Mapping[str, Path]]) -> dict[str, tuple[Path, ...]]:
    """Moving series → the files that lead from it to a shared one: fewest steps, first step first."""
    ways: dict[str, tuple[Path, ...]] = {shared: ()}
    reached = [shared]
    for reference in reached:  # grows while it is walked: nearest first
        for moving, path in leads_to.get(reference, {}).items():
            if moving not in ways:
                ways[moving] = (path, *ways[reference])
                reached.append(moving)
    return ways


def _rank(scan: ScanFile) -> tuple[Any, ...]:
    """Smallest for the series to take."""
    words = re.split(r"[_-]", _stem(scan.path).upper())
    plane = next((place for place, name in enumerate(_PLANES) if name in words), len(_PLANES))
    return ("3D" not in words, not scan.transform, plane, words[-1] == "R")


def _stem(path: Path) -> str:
    """The file name without its ending."""
    return path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".nrrd")
