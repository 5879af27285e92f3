"""From what a user hands in to checked subjects: what each has, whether it will do, and what a person should know."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile
from mrisynth_pipeline.cohorts.checking import check_files
from mrisynth_pipeline.cohorts.integrity import sentence
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, DISPLAY_NAMES, SEGMENTATION
from mrisynth_pipeline.cohorts.subject_checks import CheckedScan, looks_registered
from mrisynth_pipeline.imaging.subject import ScanSource
from mrisynth_pipeline.imputing.given import OwnScans
from mrisynth_pipeline.imputing.own_files import list_own_files

__all__ = ["OwnScans", "OwnSubject", "find_own_scans"]

logger = logging.getLogger(__name__)

_SHOWN = 3
"""Reasons named in one sentence; remarks and notes have them all."""


@dataclass(frozen=True)
class OwnSubject:
    """One person at one time point, as handed in."""

    subject: str
    patient: str
    session: str
    """``""`` where there is only one."""
    scans: Mapping[str, ScanSource]
    """Contrast that the model knows → sound file, in the model's order; ``seg`` and ``brain`` where they came along."""
    registered: bool
    """The scans share one grid and are skull-stripped."""
    problems: tuple[str, ...] = ()
    """Why nothing can be done for this subject; empty if it can go on."""
    remarks: tuple[str, ...] = ()
    """Files that are refused, and oddities of those that are used: one sentence each."""
    notes: tuple[str, ...] = ()
    """Files that are simply not used."""


def find_own_scans(
    given: OwnScans,
    modalities: Sequence[str],
    registered: bool | None = None,
    workers: int = 1,
    journal: Path | None = None,
) -> list[OwnSubject]:
    """Find and check the scans that a user hands in, with the checks that a training cohort goes through.

    A refused file costs its contrast, a subject without any usable one costs itself; the others go on.

    Args:
        given: What was handed in.
        modalities: Contrasts that the model knows, in its order.
        registered: Whether the scans of a subject share one grid and are skull-stripped; ``None`` finds out.
        workers: Processes that check in parallel.
        journal: File that keeps the checks, so that files that did not change are not read again.

    Returns:
        The subjects, sorted by name; at least one.

    Raises:
        InputError: Nothing there can be a scan, see :func:`.own_files.list_own_files`.
    """
    own = list_own_files(given)
    of_use = [file for file in own.files if file.modality in (*modalities, SEGMENTATION, BRAIN_MASK)]
    checked = check_files(of_use, own.base, workers, journal)
    members: dict[str, list[CheckedScan]] = defaultdict(list)
    for scan in checked:
        members[scan.file.subject].append(scan)
    # Whatever the layout promises: a lab's folder in it may hold anything.
    ready = {name for name, own in members.items() if (looks_registered(own) if registered is None else registered)}
    remarks: dict[str, list[str]] = defaultdict(list)
    notes: dict[str, list[str]] = defaultdict(list)
    for subject, scans in members.items():
        for scan in scans:
            remarks[subject] += [*scan.problems, *scan.remarks]
    for file in own.files:
        if file not in of_use:
            notes[file.subject].append(_not_known(file, modalities))
    for subject, sentences in own.unused.items():
        notes[subject] += sentences
    for line in [*remarks.pop("", []), *notes.pop("", [])]:
        logger.warning("%s", line)
    who = {file.subject: (file.patient, file.session) for file in own.files}
    subjects = sorted(who.keys() | remarks.keys() | notes.keys())
    return [
        _own_subject(
            name, *who.get(name, (name, "")), members[name], modalities, name in ready, remarks[name], notes[name]
        )
        for name in subjects
    ]


def _own_subject(
    subject: str,
    patient: str,
    session: str,
    checked: Sequence[CheckedScan],
    modalities: Sequence[str],
    registered: bool,
    remarks: Sequence[str],
    notes: Sequence[str],
) -> OwnSubject:
    sound = {scan.file.modality: _source(scan) for scan in checked if not scan.problems}
    scans = {name: sound[name] for name in (*modalities, SEGMENTATION, BRAIN_MASK) if name in sound}
    problems = () if scans.keys() & set(modalities) else (_no_scan(subject, modalities, [*remarks, *notes]),)
    once = (tuple(dict.fromkeys(sentences)) for sentences in (remarks, notes))
    return OwnSubject(subject, patient, session, scans, registered, problems, *once)


def _source(scan: CheckedScan) -> ScanSource:
    """The source that a checked file is."""
    steps = scan.file.transform
    return ScanSource(
        path=scan.file.path,
        sha256=scan.check.sha256,
        volume=scan.file.volume,
        labels=dict(scan.file.labels),
        transform=steps if isinstance(steps, str) else tuple(map(str, steps)),
    )


def _not_known(file: ScanFile, modalities: Sequence[str]) -> str:
    problem = f"is not used: the model does not know {DISPLAY_NAMES[file.modality]}"
    return sentence(file.path, problem, f"It knows {_named(modalities)}")


def _no_scan(subject: str, modalities: Sequence[str], reasons: Sequence[str]) -> str:
    """Why a subject cannot be helped, in one line; the reasons have their remedies."""
    shown = "; ".join(reason.rstrip(".") for reason in reasons[:_SHOWN])
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    problem = f"{subject}: has no usable scan of what the model knows ({_named(modalities)})"
    return f"{problem}: {shown}{more}" if shown else f"{problem}. Hand in at least one"


def _named(modalities: Sequence[str]) -> str:
    return ", ".join(DISPLAY_NAMES[name] for name in modalities)
