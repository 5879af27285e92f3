"""Checks that need more than one file: duplicates, and label maps that fit no scan of their subject."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile, second_to
from mrisynth_pipeline.cohorts.integrity import ScanCheck, sentence
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, SEGMENTATION, ULTRASOUND

_SAME_PLACE_MM = 0.1
"""Corners of two grids closer than this are the same place; rounding of headers stays far below."""

SAME_CONTENT = "has the same content as"
STEPS_IN = "is used instead of"
"""Words of a problem and of a remark by which the findings know them again."""

_FAR_APART_MM = 80.0
"""Half a head: the fields of view of one session are closer to each other."""

_LARGEST_BRAIN_ML = 2200.0
"""Between the largest brains with their fluid and the smallest adult heads (about 2.7 L on a clinical scan)."""


@dataclass(eq=False)
class CheckedScan:
    """A file, what its own check said, and what its neighbours add to that."""

    file: ScanFile
    check: ScanCheck
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def is_label_map(self) -> bool:
        """Whether this is a label map or a brain mask rather than a scan."""
        return self.file.modality in (SEGMENTATION, BRAIN_MASK)

    def refuse(self, problem: str, remedy: str) -> None:
        """Add a problem."""
        self.problems.append(sentence(self.file.path, problem, remedy))

    def remark(self, oddity: str, advice: str) -> None:
        """Add a remark: worth a look, no reason to refuse."""
        self.remarks.append(sentence(self.file.path, oddity, advice))


def check_across_files(files: Sequence[ScanFile], checks: Sequence[ScanCheck], raw_dir: Path) -> list[CheckedScan]:
    """Problems and remarks of every file: its own, then those that only show beside the other files.

    Args:
        files: Scans and label maps of the cohort.
        checks: Result of ``check_scan`` for each.
        raw_dir: Folder that other files are named relative to.

    Returns:
        One entry per file, in the same order.
    """
    scans = [
        CheckedScan(file, check, list(check.problems), list(check.remarks))
        for file, check in zip(files, checks, strict=True)
    ]
    outdone = _let_spares_step_in(scans)
    for scan in scans:
        if scan.file.spare:  # whatever else is wrong with a file that is not used is nobody's concern
            scan.problems.clear()
            scan.refuse(f"is {scan.file.spare}", "Nothing needs doing; to use this one, take the other away")
    scans_in_question = [scan for scan in scans if not scan.file.spare and scan not in outdone]
    _refuse_second_files(scans_in_question, raw_dir)
    _refuse_equal_files(scans_in_question, raw_dir)
    by_subject = _grouped(scans, lambda scan: scan.file.subject)
    for subject, members in by_subject.items():
        _check_label_maps(subject, members)
        _check_places(subject, [scan for scan in members if not scan.problems and not scan.is_label_map])
    return scans


def _let_spares_step_in(scans: list[CheckedScan]) -> list[CheckedScan]:
    """Take the best sound spare where the scan to take is broken; returns the scans that were outdone."""
    outdone = []
    for group in _grouped(scans, lambda scan: (scan.file.subject, scan.file.modality)).values():
        group.sort(key=lambda scan: scan.file.preference)
        sound = [scan for scan in group if not scan.check.problems]
        if not group[-1].file.preference or not sound or sound[0] is group[0]:
            continue
        used = sound[0]
        used.file = replace(used.file, spare="")
        used.remark(f"{STEPS_IN} {group[0].file.path.name}, which is refused", "Mend that one to use it")
        outdone.append(group[0])
        for scan in group[1:]:
            if scan is not used:
                scan.file = replace(scan.file, spare=second_to(used.file))
    return outdone


def looks_registered(members: Sequence[CheckedScan]) -> bool:
    """Whether a subject's sound scans lie on one grid and hold a brain without its head."""
    scans = [scan.check for scan in members if not scan.is_label_map and not scan.file.spare and scan.check.affine]
    return (
        bool(scans)
        and all(same_grid(scans[0], other) for other in scans[1:])
        and all(scan.tissue_ml < _LARGEST_BRAIN_ML for scan in scans)
    )


def same_grid(first: ScanCheck, second: ScanCheck) -> bool:
    """Whether two volumes have the same voxels in the same places (within 0.1 mm)."""
    if first.shape != second.shape or not first.affine or not second.affine:
        return False
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    corners = corners * np.array([*first.shape, 1])
    distances = (corners @ (np.array(first.affine) - np.array(second.affine)).T)[:, :3]
    return bool(np.abs(distances).max() < _SAME_PLACE_MM)


def _grouped(scans: Iterable[CheckedScan], key: Callable[[CheckedScan], Hashable]) -> dict[Hashable, list[CheckedScan]]:
    groups: dict[Hashable, list[CheckedScan]] = defaultdict(list)
    for scan in scans:
        groups[key(scan)].append(scan)
    return groups


def _refuse_second_files(scans: list[CheckedScan], raw_dir: Path) -> None:
    """Two files for one contrast of one subject: which is meant cannot be guessed, so none is used."""
    for (subject, modality), twins in _grouped(scans, lambda scan: (scan.file.subject, scan.file.modality)).items():
        for scan in twins:
            others = [_relative(twin, raw_dir) for twin in twins if twin is not scan]
            if others:
                problem = f"{modality} of {subject} is there more than once, also as {_listed(others)}"
                scan.refuse(problem, "Keep one of these files and take the others away")


def _refuse_equal_files(scans: list[CheckedScan], raw_dir: Path) -> None:
    """Equal bytes under two names: a subject entered twice, or one contrast copied over another."""
    # Files that are bad in themselves (all empty ones are equal) are refused for that already.
    informative = [scan for scan in scans if not scan.check.problems and not _is_empty_label_map(scan)]
    for twins in _grouped(informative, lambda scan: (scan.check.sha256, scan.file.volume)).values():
        for scan in twins:
            strangers = [twin for twin in twins if twin.file.subject != scan.file.subject]
            mixed_up = [
                twin
                for twin in twins
                if twin.file.subject == scan.file.subject and twin.file.modality != scan.file.modality
            ]
            if strangers:
                problem = (
                    f"{SAME_CONTENT} {_listed([_relative(twin, raw_dir) for twin in strangers])} "
                    f"of another subject: suspected duplicate subject"
                )
                scan.refuse(problem, "Find out whose scan it is and take the other file away")
            if mixed_up:
                problem = f"{SAME_CONTENT} {_listed([_relative(twin, raw_dir) for twin in mixed_up])}"
                scan.refuse(problem, "Find out which contrast it is and download the other again")


def _is_empty_label_map(scan: CheckedScan) -> bool:
    """Patients without a tumour share an all-zero label map, byte for byte."""
    return scan.is_label_map and scan.check.intensity_max == 0


def _check_label_maps(subject: str, members: list[CheckedScan]) -> None:
    """A label map must lie on the grid of a scan of its subject, and needs a scan to belong to."""
    images = [scan for scan in members if not scan.is_label_map]
    usable = any(not scan.problems for scan in images)
    readable = [scan for scan in images if scan.check.affine]
    for label_map in (scan for scan in members if scan.is_label_map):
        if not usable:
            label_map.refuse(f"{subject} has no usable scan to go with this label map", "Mend its scans first")
        if label_map.check.affine and readable and not any(same_grid(label_map.check, scan.check) for scan in readable):
            shapes = sorted({"x".join(map(str, scan.check.shape)) for scan in readable})
            own = "x".join(map(str, label_map.check.shape))
            problem = f"its grid ({own}) is that of no scan of {subject} ({_listed(shapes)}, or placed elsewhere)"
            label_map.refuse(problem, "Resample it onto one of the scans with nearest neighbour, or take it away")


def _check_places(subject: str, scans: list[CheckedScan]) -> None:
    """Scans of one head lie about the same place in scanner coordinates; if not, a header is wrong.

    Not so ultrasound: it shows a corner of the brain, in the coordinates of the device that tracked the probe.
    """
    scans = [scan for scan in scans if scan.file.modality != ULTRASOUND]
    if len(scans) < 2:
        return
    centres = np.array([_centre(scan.check) for scan in scans])
    for position, scan in enumerate(scans):
        others = np.delete(centres, position, axis=0)
        distance = float(np.linalg.norm(others - centres[position], axis=1).min())
        if distance > _FAR_APART_MM:
            scan.remark(
                f"its middle lies {distance:.0f} mm away from that of every other scan of {subject}",
                "Its header may be wrong, or it is of another session: look at the registration",
            )


def _centre(check: ScanCheck) -> np.ndarray:
    """World point (RAS mm) of the middle voxel."""
    return (np.array(check.affine) @ [*((np.array(check.shape) - 1) / 2), 1.0])[:3]


def _relative(scan: CheckedScan, raw_dir: Path) -> str:
    return scan.file.path.relative_to(raw_dir).as_posix()


def _listed(names: list[str]) -> str:
    """The first few names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
