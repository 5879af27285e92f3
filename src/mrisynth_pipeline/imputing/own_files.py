"""Which files a user hands in, whose they are and what they are: by name alone, no file is opened."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.contrast_names import beginning, read_contrast
from mrisynth_pipeline.cohorts.archives.dicom import is_dicom
from mrisynth_pipeline.cohorts.archives.folder import clean, read_file_name, scan_stem, whose
from mrisynth_pipeline.cohorts.archives.layouts import DISTINCT, LAYOUTS, MIXED
from mrisynth_pipeline.cohorts.archives.scan_files import (
    SCAN_SUFFIXES,
    ScanFile,
    all_files,
    describe_contents,
    scan_paths,
)
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.integrity import sentence
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, DISPLAY_NAMES, SEGMENTATION
from mrisynth_pipeline.imputing.given import OwnScans, matches, read_names
from mrisynth_pipeline.imputing.made_here import made_here
from mrisynth_pipeline.imputing.named import apply_names

FOLDER = "folder"
"""The layout of what has none of the distinct ones."""

_OF_USE = (*DISPLAY_NAMES, SEGMENTATION, BRAIN_MASK)
_ENOUGH_TO_TELL = 200
"""Files looked into to find out whether a folder without scans is one of DICOM files."""
_SAY = 'To use it, rename it or say what it is (--names "*pattern*=t1")'
_CONVERT = (
    "Convert it first: with dcm2niix, or into a BIDS folder with kedro run --pipelines ingestion --params "
    "cohort.kind=dicom,cohort.raw_dir=FOLDER"
)


@dataclass(frozen=True)
class OwnFiles:
    """Files by name."""

    files: list[ScanFile]
    """Those whose name says what they are."""
    base: Path
    """Folder above all of them."""
    unused: Mapping[str, list[str]]
    """Subject → sentences about files of its that are not used; ``""`` for files of nobody in particular."""


def list_own_files(given: OwnScans) -> OwnFiles:
    """List what was handed in.

    Args:
        given: What was handed in.

    Returns:
        At least one file, or a sentence about one that cannot be used.

    Raises:
        InputError: Something is not there, is DICOM, holds no scan, or the patterns do not fit the files.
    """
    if given.files:
        return _of_files(given.contrasts, given.subject)
    path = Path(given.input)
    names = read_names(given.names) if given.names else {}
    if path.is_dir():
        return _of_folder(path, names, given.subject, given.output)
    _require_scan_file(path)
    contrast = next((name for pattern, name in names.items() if matches(pattern, Path(path.name))), "")
    if not contrast:
        reading = read_contrast(scan_stem(path))
        if not reading.contrast:
            raise InputError(path, reading.doubt, f"Say which contrast it is: --t1 {path.name}")
        contrast = reading.contrast
    return _of_files({contrast: path}, given.subject)


def _of_files(files: Mapping[str, Path], subject: str) -> OwnFiles:
    """One subject, each contrast named by the user."""
    for path in files.values():
        _require_scan_file(path)
    absolute = {contrast: path.absolute() for contrast, path in files.items()}
    base = Path(os.path.commonpath([path.parent for path in absolute.values()]))
    beginnings = {beginning(scan_stem(path)) for path in absolute.values()}
    common = beginnings.pop() if len(beginnings) == 1 else ""
    name = subject or clean(common or base.name)
    scans = [ScanFile(name, name, "", "", contrast, path) for contrast, path in absolute.items()]
    return OwnFiles(scans, base, {})


def _require_scan_file(path: Path) -> None:
    if not path.exists():
        raise InputError(path, "there is no such file or folder", "Check its name and place")
    if path.is_dir():
        raise InputError(
            path, "is a folder where a scan file is expected", "Name the file, or give the folder as INPUT"
        )
    if not path.name.endswith(SCAN_SUFFIXES):
        if is_dicom(path):
            raise InputError(path, "is a DICOM file", _CONVERT)
        raise InputError(path, "is neither NIfTI nor NRRD by its name", f"Use {', '.join(SCAN_SUFFIXES)}")


def _of_folder(root: Path, names: Mapping[str, str], subject: str, output: Path | None) -> OwnFiles:
    everything = scan_paths(root)
    own = made_here(everything, root, output)
    paths = [path for path in everything if path not in own]
    if not paths:
        raise _nothing_there(root, len(own))
    layout, found = _read_layout(root, set(paths))
    outdone: dict[Path, str] = {}
    if names:
        found, outdone = apply_names(found, paths, root, names, by_folder=layout == FOLDER)
    used = [scan for scan in found if scan.modality in _OF_USE]
    if subject:
        used = _all_of(subject, used, root)
    taken = {scan.path for scan in used}
    left = [path for path in paths if path not in taken]
    owners = _owners(left, used, found, root, layout)
    said = {scan.path: scan.modality for scan in found}
    others: dict[tuple[str, str], list[Path]] = defaultdict(list)
    unused: dict[str, list[str]] = defaultdict(list)
    for path in left:
        if path in said:
            others[owners[path], said[path]].append(path)
        else:
            unused[owners[path]].append(outdone.get(path) or _reason(path, root, layout))
    for (owner, kind), alike in others.items():
        unused[owner].append(_left_out(alike, kind))
    return OwnFiles(used, root, dict(unused))


def _nothing_there(root: Path, made: int) -> InputError:
    """Why a folder holds nothing to work with."""
    if made:
        problem = f"holds nothing but {made} results of this software, which are no measurements"
        return InputError(root, problem, "Name the folder of the scans themselves")
    if any(map(is_dicom, islice(all_files(root), _ENOUGH_TO_TELL))):
        return InputError(root, "holds DICOM files and no NIfTI or NRRD file", _CONVERT)
    problem = f"holds no NIfTI or NRRD file, found {describe_contents(root)}"
    return InputError(root, problem, "Name a folder of scans, unpacked")


def _read_layout(root: Path, paths: set[Path]) -> tuple[str, list[ScanFile]]:
    """The layout that reads the folder, and what its reader finds.

    A distinct layout is taken if it reads a contrast, unless more of what it leaves says its contrast in words.
    """
    read = {name: [scan for scan in LAYOUTS[name].find_scans(root) if scan.path in paths] for name in DISTINCT}
    fitting = [name for name in DISTINCT if any(scan.modality in DISPLAY_NAMES for scan in read[name])]
    known = {scan.path for name in fitting for scan in read[name]}
    contrasts = sum(scan.modality in DISPLAY_NAMES for name in fitting for scan in read[name])
    in_words = [scan for scan in LAYOUTS[FOLDER].find_scans(root) if scan.path in paths]
    if not fitting or sum(scan.path not in known for scan in in_words) > contrasts:
        return FOLDER, [replace(scan, layout=FOLDER) for scan in in_words]
    scans = [replace(scan, layout=name) for name in fitting for scan in read[name]]
    return fitting[0] if len(fitting) == 1 else MIXED, sorted(scans, key=lambda scan: (scan.path, scan.volume or 0))


def _all_of(subject: str, scans: Sequence[ScanFile], root: Path) -> list[ScanFile]:
    """Call the one subject of a folder by the user's name; loose files are one subject if the user says so."""
    subjects = sorted({scan.subject for scan in scans})
    loose = {scan.path.parent for scan in scans} == {root} and {scan.layout for scan in scans} <= {FOLDER, ""}
    if len(subjects) > 1 and not loose:
        problem = f"names one subject, but {root} holds {len(subjects)}: {', '.join(subjects[:4])}"
        raise InputError("--subject", problem, "Leave it out, or name the folder of one of them")
    return [replace(scan, subject=subject, patient=subject, session="") for scan in scans]


def _left_out(alike: Sequence[Path], kind: str) -> str:
    """One sentence for all files that the layout knows and has no use for: a functional study has hundreds."""
    more = f", nor are {len(alike) - 1} more like it" if len(alike) > 1 else ""
    return sentence(alike[0], f"is not used, its name says that it is {kind!r}{more}", "Nothing needs doing")


def _reason(path: Path, root: Path, layout: str) -> str:
    """Why the name of a file is of no use."""
    if layout == FOLDER:
        return sentence(path, read_file_name(path, root).doubt, _SAY)
    return sentence(path, f"its name is not of this layout (expected names like {LAYOUTS[layout].example})", _SAY)


def _owners(
    paths: Iterable[Path], used: Sequence[ScanFile], found: Sequence[ScanFile], root: Path, layout: str
) -> dict[Path, str]:
    """Whose files those are that are not used: as the layout says, else the one subject with scans in the same folder.

    A folder of the layout ``folder`` in which no name says a contrast is a subject all the same: nobody is passed over.
    """
    neighbours: dict[Path, Counter[str]] = defaultdict(Counter)
    for scan in used:
        neighbours[scan.path.parent][scan.subject] += 1
    told = {scan.path: scan.subject for scan in found} if layout != FOLDER else {}
    people = whose(paths, root) if layout == FOLDER else {}
    owners = {}
    for path in paths:
        beside = neighbours.get(path.parent, Counter())
        alone = people[path].subject if path in people and not beside else ""
        owners[path] = told.get(path) or (next(iter(beside)) if len(beside) == 1 else alone)
    return owners
