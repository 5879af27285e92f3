"""What a user's patterns make of the files of a folder: they decide about every contrast that they name."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.contrast_names import beginning
from mrisynth_pipeline.cohorts.archives.folder import read_file_name, scan_stem, whose
from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.integrity import sentence
from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.imputing.given import matches


def apply_names(
    found: Sequence[ScanFile], paths: Sequence[Path], root: Path, names: Mapping[str, str], by_folder: bool
) -> tuple[list[ScanFile], dict[Path, str]]:
    """Let patterns say what files are.

    Args:
        found: Scans as the layout's reader found them.
        paths: All scan files of the input.
        root: The input.
        names: Glob pattern → contrast; the first that matches a file decides.
        by_folder: Whether subjects are told by the rules of the layout ``folder``.

    Returns:
        The scans, sorted by path: those that a pattern names, and the found ones of contrasts that no pattern names;
        and (file → sentence) those found but outdone.

    Raises:
        InputError: A pattern matches nothing, or several files would be one contrast of one subject.
    """
    matched = {path: _patterns_of(path, root, names) for path in paths}
    for pattern in names:
        if not any(pattern in patterns for patterns in matched.values()):
            problem = f"the pattern {pattern!r} matches none of the {len(paths)} scan files below {root}"
            raise InputError("--names", problem, "Patterns are for paths below that folder, such as */*_mp2rage*=t1")
    decided = {path: patterns[0] for path, patterns in matched.items() if patterns}
    known = {scan.path: scan for scan in found}
    people = _people(paths, root, decided)
    named = []
    for path, pattern in decided.items():
        who = people[path]
        scan = ScanFile(who.subject, who.patient, who.session, site="", modality="", path=path)
        if path in known and not by_folder:
            scan = replace(known[path], labels={}, volume=None)
        named.append(replace(scan, modality=names[pattern], spare="", preference=0))
    _require_one_each(named, root)
    others = [scan for scan in found if scan.path not in decided]
    if by_folder:
        others = [replace(scan, **vars(people[scan.path])) for scan in others]
    outdone = {
        scan.path: sentence(
            scan.path,
            f"is not used: --names says which files are {DISPLAY_NAMES.get(scan.modality, scan.modality)}",
            "Nothing needs doing",
        )
        for scan in others
        if scan.modality in names.values()
    }
    kept = [scan for scan in others if scan.path not in outdone]
    return sorted([*named, *kept], key=lambda scan: (scan.path, scan.volume or 0)), outdone


def _patterns_of(path: Path, root: Path, names: Mapping[str, str]) -> list[str]:
    return [pattern for pattern in names if matches(pattern, path.relative_to(root))]


def _people(paths: Sequence[Path], root: Path, decided: Mapping[Path, str]) -> dict:
    """Whose scan each file is; of a loose file, what stands before the pattern's first letters is the subject."""
    beginnings = {path: beginning(scan_stem(path)) for path in paths if read_file_name(path, root).contrast}
    beginnings |= {path: _before(pattern, scan_stem(path)) for path, pattern in decided.items()}
    return whose(paths, root, beginnings)


def _before(pattern: str, stem: str) -> str:
    """``P01`` of ``P01_mp2rage_2`` by the pattern ``*_mp2rage*``; where that starts with letters, what words say."""
    last = pattern.rpartition("/")[2].lower()
    letters = next(filter(None, re.split(r"[*?]|\[[^]]*\]", last)), "")
    place = stem.lower().find(letters)
    if not letters or last.startswith(letters) or place < 0:
        return beginning(stem)
    return stem[:place].strip(" _-.")


def _require_one_each(named: Sequence[ScanFile], root: Path) -> None:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for scan in named:
        groups[scan.subject, scan.modality].append(scan.path.relative_to(root).as_posix())
    for (subject, contrast), files in groups.items():
        if len(files) > 1:
            problem = f"{len(files)} files would be {DISPLAY_NAMES.get(contrast, contrast)} of {subject}: "
            raise InputError("--names", problem + ", ".join(files[:4]), "Make the patterns say which of them is meant")
