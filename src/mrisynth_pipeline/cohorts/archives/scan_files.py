"""What every archive reader shares: the description of one scan file, and the walk over a folder."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.errors import InputError

SCAN_SUFFIXES = (".nii", ".nii.gz", ".nrrd")
"""Formats that can be read: NIfTI and NRRD."""

IDENTITY = "identity"
"""Instead of transform files: the scan lies in the space that its subject's shipped transforms lead to."""

THEN = "|"
"""Between the transform files of one scan where a table has one field for them: no file name holds it."""


@dataclass(frozen=True)
class ScanFile:
    """One scan of an archive, as its file name tells it; the file itself has not been opened."""

    subject: str
    """Unit of the study: one person at one time point, e.g. ``BraTS-GLI-00005-000``."""
    patient: str
    """The person; several subjects may share one, and splits must not separate them."""
    session: str
    """Time point, ``""`` where the archive has only one."""
    site: str
    """Hospital or scanner, ``""`` where the archive does not tell."""
    modality: str
    """Internal contrast name, ``seg`` for a tumour label map, ``brain`` for a brain mask. A reader may also name
    contrasts of its archive that the project has no use for; the manifest leaves them out."""
    path: Path
    """The file, below the raw directory."""
    volume: int | None = None
    """Which volume of a 4-D file, from 0; ``None`` for a 3-D file."""
    labels: Mapping[int, int] = field(default_factory=dict)
    """For a label map: value in the file → internal label (``modalities.TUMOUR_LABELS``); others are refused."""
    transform: str | tuple[Path, ...] = ""
    """Transforms shipped with the archive: ITK files that one after another map this scan's points to a space that the
    subject's scans share, ``IDENTITY`` for the scan that is that space, ``""`` where there is no such way."""
    spare: str = ""
    """Why another scan of the same contrast is taken instead of this one; ``""`` for the one that is used."""
    preference: int = 0
    """Place among the scans of one contrast of one subject, best first; a spare one steps in where those before it
    cannot be used."""
    layout: str = ""
    """Name of the layout whose reader found it; filled in by ``layouts.find_scans``."""


def scan_paths(raw_dir: Path) -> list[Path]:
    """Every NIfTI and NRRD file below a folder, sorted.

    Links to folders are followed (archives are often linked into place), each real folder once. Hidden
    files are passed over: macOS leaves a ``._name.nii.gz`` beside every file it copies to a foreign disk.

    Raises:
        InputError: A folder cannot be listed.
    """
    return [path for path in all_files(raw_dir) if path.name.endswith(SCAN_SUFFIXES)]


def keep_best(scans: Iterable[ScanFile], rank: Callable[[ScanFile], Any]) -> list[ScanFile]:
    """Mark all but the best scan of each contrast of each subject as spare.

    For archives in which several series of one contrast are the rule, not a mistake.

    Args:
        scans: Scans as a reader found them.
        rank: The smallest value is the best; ties go to the first path.

    Returns:
        All scans, sorted by path; ``spare`` of the others names the file that is used.
    """
    groups: dict[tuple[str, str], list[ScanFile]] = defaultdict(list)
    for scan in sorted(sorted(scans, key=lambda scan: scan.path), key=rank):
        groups[scan.subject, scan.modality].append(scan)
    marked = [
        replace(scan, preference=place, spare=second_to(group[0]) if place else "")
        for group in groups.values()
        for place, scan in enumerate(group)
    ]
    return sorted(marked, key=lambda scan: scan.path)


def second_to(used: ScanFile) -> str:
    """Why a scan is spare."""
    return f"a second {used.modality} of {used.subject}: {used.path.name} is used"


def shorten_ways(scans: Iterable[ScanFile]) -> list[ScanFile]:
    """Leave out the last steps that the ways of all scans of a subject have in common.

    They change nothing between these scans: where a study leaves the ultrasound out, its T2 is the shared space of the
    other contrasts, and nothing depends on the file that leads from there to the ultrasound.

    Args:
        scans: The scans of a study, in any order.

    Returns:
        The same scans in the same order.
    """
    scans = list(scans)
    ways: dict[str, list[tuple[Path, ...]]] = defaultdict(list)
    for scan in scans:
        if scan.transform:
            ways[scan.subject].append(() if isinstance(scan.transform, str) else scan.transform)
    common = {}
    for subject, own in ways.items():
        steps = zip(*(reversed(way) for way in own), strict=False)
        common[subject] = len(list(takewhile(lambda step: len(set(step)) == 1, steps)))

    def shortened(scan: ScanFile) -> ScanFile:
        if isinstance(scan.transform, str):
            return scan
        left = scan.transform[: len(scan.transform) - common[scan.subject]]
        return replace(scan, transform=left or IDENTITY)

    return [shortened(scan) for scan in scans]


def describe_contents(raw_dir: Path) -> str:
    """What a folder holds, for an error message: ``"3 .tar and 2 .csv files"`` or ``"no files"``."""
    kinds = Counter("".join(path.suffixes[-2:]) or "suffixless" for path in all_files(raw_dir))
    if not kinds:
        return "no files"
    named = [f"{count} {kind}" for kind, count in kinds.most_common(4)]
    return f"{' and '.join(named)} file{'' if sum(kinds.values()) == 1 else 's'}"


def all_files(raw_dir: Path) -> list[Path]:
    """Every file below a folder that is not hidden, sorted; links to folders are followed once.

    Raises:
        InputError: A folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(error.filename, f"the folder cannot be listed ({error.strerror})", "Check its permissions")

    found: list[Path] = []
    visited: set[str] = set()
    for folder, subfolders, names in os.walk(raw_dir, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in visited:  # a link back to a parent would never end
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found.extend(Path(folder, name) for name in names if not name.startswith("."))
    return sorted(found)
