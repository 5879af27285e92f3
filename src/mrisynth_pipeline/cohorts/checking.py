"""Checks a set of files, an archive's or a user's own: each by itself, then beside the others of its subject."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.layouts import LAYOUTS
from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile, shorten_ways
from mrisynth_pipeline.cohorts.scanning import ScanTask, check_scans
from mrisynth_pipeline.cohorts.subject_checks import CheckedScan, check_across_files, looks_registered


def check_files(
    files: Iterable[ScanFile], raw_dir: Path, workers: int = 1, journal: Path | None = None
) -> list[CheckedScan]:
    """Check files whose names have been read.

    Args:
        files: Scans, label maps and brain masks of the contrasts in use.
        raw_dir: Folder above all files, that they are named relative to.
        workers: Processes that check in parallel.
        journal: File that keeps the checks, so that files that did not change are not read again.

    Returns:
        One entry per file with its problems and remarks, sorted by subject, modality, path and volume.
    """
    files = sorted(
        shorten_ways(files), key=lambda file: (file.subject, file.modality, file.path.as_posix(), file.volume or 0)
    )
    tasks = [ScanTask(file.path, frozenset(file.labels) or None, file.volume) for file in files]
    return check_across_files(files, list(check_scans(tasks, workers, journal)), raw_dir)


def registered_subjects(scans: Sequence[CheckedScan], registered: bool | None = None) -> set[str]:
    """Subjects whose scans share one grid and are skull-stripped.

    Args:
        scans: As ``check_files`` returns them.
        registered: What the user says of all; ``None`` takes what the layout says, and where that depends on the
            subject or no layout is known, looks at the scans.
    """
    members: dict[str, list[CheckedScan]] = defaultdict(list)
    for scan in scans:
        members[scan.file.subject].append(scan)

    def ready(own: list[CheckedScan]) -> bool:
        layout = LAYOUTS.get(own[0].file.layout)
        said = layout.registered if registered is None and layout is not None else registered
        return looks_registered(own) if said is None else said

    return {subject for subject, own in members.items() if ready(own)}
