"""Reads any folder of scans whose file names say the contrast: ``Pat_03/AX_T2_FLAIR.nii.gz``, ``P7-t1.nii.gz``.

What a name says is decided in ``contrast_names``; one that says nothing for certain is not guessed but listed with the
reason. Label maps are not read, for a name does not tell what their values mean; a ``brain_mask`` is.

A subject is the folder that holds the files. Folders that are named after a contrast or say nothing (``anat``,
``nifti``) are passed over, and one named like a time point (``ses-2``, ``baseline``, ``2021-03-04``) is a session of
the patient above it. Files without such a folder are one subject, or where their names begin differently (``P01_T1``,
``P02_T1``) one for each beginning: two subjects for one person cost a contrast, one for two people gives a wrong image.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.contrast_names import (
    NameReading,
    beginning,
    read_contrast,
    says_only_a_contrast,
)
from mrisynth_pipeline.cohorts.archives.scan_files import SCAN_SUFFIXES, ScanFile, scan_paths
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import MR_CONTRASTS

MODALITIES = MR_CONTRASTS
EXAMPLE = "Pat_03/AX_T2_FLAIR.nii.gz, P7-t1.nii.gz or P7_T1_post.nii.gz"

_SAYS_NOTHING = {"anat", "nifti", "nii", "nrrd", "mri", "mr", "images", "scans", "raw"}
_TIME_POINT = re.compile(
    r"(?:ses|session|visit|tp|time|timepoint|scan|exam|fu|followup|follow-up|month)[ _-]?\d+"
    r"|ses-\w+|baseline|bl|followup|follow-up|pre-?op|post-?op|\d{4}[ _.-]?\d{2}[ _.-]?\d{2}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Who:
    """Whose scan a file is."""

    subject: str
    patient: str
    session: str = ""


def find_scans(raw_dir: Path) -> list[ScanFile]:
    """All scans and brain masks of a folder whose names say what they are.

    Args:
        raw_dir: The folder.

    Returns:
        One entry per file with a contrast, sorted by path; empty when no name says one.

    Raises:
        InputError: A folder cannot be listed, or two folders give one subject name.
    """
    paths = scan_paths(raw_dir)
    people = whose(paths, raw_dir)
    return [
        ScanFile(who.subject, who.patient, who.session, site="", modality=reading.contrast, path=path)
        for path in paths
        if (reading := read_file_name(path, raw_dir)).contrast and (who := people[path])
    ]


def why_not(path: Path, raw_dir: Path) -> tuple[str, str]:
    """Problem and remedy of a file that ``find_scans`` leaves out."""
    return read_file_name(path, raw_dir).doubt, f"Rename it if it is to be used (like {EXAMPLE.split(',')[0]})"


def read_file_name(path: Path, raw_dir: Path) -> NameReading:
    """The contrast that a file's name says, once the name of its subject's folder is taken off it."""
    stem = scan_stem(path)
    for part in _folders(path, raw_dir):
        rest = stem[len(part) :]
        if stem[: len(part)].lower() == part.lower() and not rest[:1].isalnum():
            stem = rest
    return read_contrast(stem)


def scan_stem(path: Path) -> str:
    """A scan's file name without its ending."""
    ending = max((suffix for suffix in SCAN_SUFFIXES if path.name.endswith(suffix)), key=len, default="")
    return path.name.removesuffix(ending)


def whose(paths: Iterable[Path], raw_dir: Path, beginnings: Mapping[Path, str] | None = None) -> dict[Path, Who]:
    """Whose scan each file is.

    Args:
        paths: Files below ``raw_dir``.
        raw_dir: The folder they were looked for in.
        beginnings: What the names of loose scans (in no subject's folder) begin with; ``None`` takes what stands before
            the contrast. All loose files are one subject, named after ``raw_dir``, unless these differ.

    Raises:
        InputError: Two folders give one subject name.
    """
    paths = list(paths)
    folders = {path: _folders(path, raw_dir) for path in paths}
    stems = {path: scan_stem(path) for path in paths if not folders[path]}
    if beginnings is None:
        beginnings = {path: beginning(stem) for path, stem in stems.items() if read_contrast(stem).contrast}
    several = len({beginnings[path] for path in stems.keys() & beginnings.keys()}) > 1
    for path, stem in stems.items():
        start = beginnings.get(path, beginning(stem))
        folders[path] = _split_off_session(start) if several and start else (raw_dir.resolve().name,)
    people: dict[Path, Who] = {}
    origins: dict[str, tuple[str, ...]] = {}
    for path, parts in folders.items():
        people[path] = who = _named(parts)
        if origins.setdefault(who.subject, parts) != parts:
            both = f"{'/'.join(origins[who.subject])} and {'/'.join(parts)} would both be subject {who.subject}"
            raise InputError(raw_dir, both, "Rename one of them")
    return people


def clean(name: str) -> str:
    """A name that is good for a file: letters, digits and ``_ . + -``; everything else becomes a hyphen."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "subject"


def _folders(path: Path, raw_dir: Path) -> tuple[str, ...]:
    """The folders of a file that say whose it is, outermost first."""
    parts = path.relative_to(raw_dir).parts[:-1]
    return tuple(part for part in parts if part.lower() not in _SAYS_NOTHING and not says_only_a_contrast(part))


def _split_off_session(start: str) -> tuple[str, ...]:
    """``P01_ses-2`` → ``("P01", "ses-2")``."""
    head, _, tail = start.rpartition("_")
    return (head, tail) if head and _TIME_POINT.fullmatch(tail) else (start,)


def _named(parts: tuple[str, ...]) -> Who:
    names = [clean(part) for part in parts]
    subject = "_".join(names)
    if len(parts) > 1 and _TIME_POINT.fullmatch(parts[-1]):
        return Who(subject, "_".join(names[:-1]), names[-1])
    return Who(subject, subject)
