"""Reads the file names of the BraTS glioma archives of 2020, 2021, and 2023 onward.

2020: ``BraTS20_Training_001/BraTS20_Training_001_{t1,t1ce,t2,flair,seg}.nii``; 2021:
``BraTS2021_00000/BraTS2021_00000_{t1,t1ce,t2,flair,seg}.nii.gz``; 2023 onward:
``BraTS-GLI-00005-000/BraTS-GLI-00005-000-{t1n,t1c,t2w,t2f,seg}.nii.gz``, where the last number is the time
point of a patient. The file name alone decides, so folders may be nested in any way or be absent.
"""

import re
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile, scan_paths
from mrisynth_pipeline.cohorts.modalities import SEGMENTATION

MODALITIES = ("t1", "t1c", "t2", "flair")
EXAMPLE = "BraTS-GLI-00005-000-t1n.nii.gz, BraTS2021_00000_t1ce.nii.gz or BraTS20_Training_001_flair.nii"

_UNTIL_2021 = re.compile(
    r"(?P<patient>BraTS20_(?:Training|Validation)_\d{3}|BraTS2021_\d{5})_(?P<contrast>t1|t1ce|t2|flair|seg)\.nii(\.gz)?"
)
_FROM_2023 = re.compile(
    r"(?P<patient>BraTS-[A-Za-z]+-\d{5})(?:-(?P<session>\d{3}))?-(?P<contrast>t1n|t1c|t2w|t2f|seg)\.nii(\.gz)?"
)
_CONTRASTS = {
    **{"t1": "t1", "t1ce": "t1c", "t2": "t2", "flair": "flair"},
    **{"t1n": "t1", "t1c": "t1c", "t2w": "t2", "t2f": "flair"},
    "seg": SEGMENTATION,
}
_LABELS_UNTIL_2021 = {0: 0, 1: 1, 2: 2, 3: 3, 4: 3}
"""4 is enhancing tumour and 3 is unused; 3 is allowed, because many copies are relabelled already."""
_LABELS_FROM_2023 = {0: 0, 1: 1, 2: 2, 3: 3}
"""3 is enhancing tumour. A 4, which appears in the post-treatment and paediatric collections of 2024, is another
tissue: taking it for enhancing tumour would be silently wrong."""
_MISNAMED = {"W39_1998.09.19_Segm": ("BraTS20_Training_355", SEGMENTATION)}
"""Stem → (subject, modality) of the one file that the 2020 archive itself ships under a wrong name."""


def find_scans(raw_dir: Path) -> list[ScanFile]:
    """All scans and label maps of a BraTS archive.

    Args:
        raw_dir: Folder of the unpacked archive.

    Returns:
        One entry per recognised file, sorted by path; empty when nothing is recognised.

    Raises:
        InputError: A folder cannot be listed.
    """
    scans = (_parse(path) for path in scan_paths(raw_dir))
    return [scan for scan in scans if scan is not None]


def _parse(path: Path) -> ScanFile | None:
    """The scan a file name stands for, ``None`` when the name is not of a BraTS archive."""
    if path.name.split(".nii")[0] in _MISNAMED:
        subject, modality = _MISNAMED[path.name.split(".nii")[0]]
        return ScanFile(subject, subject, session="", site="", modality=modality, path=path, labels=_LABELS_UNTIL_2021)
    match = _FROM_2023.fullmatch(path.name) or _UNTIL_2021.fullmatch(path.name)
    if match is None:
        return None
    patient, session = match["patient"], match.groupdict().get("session") or ""
    return ScanFile(
        subject=f"{patient}-{session}" if session else patient,
        patient=patient,
        session=session,
        site="",  # the archives do not say where a patient was scanned
        modality=_CONTRASTS[match["contrast"]],
        path=path,
        labels=_labels(patient) if match["contrast"] == "seg" else {},
    )


def _labels(patient: str) -> dict[int, int]:
    """Value in the file → internal label."""
    return _LABELS_FROM_2023 if patient.startswith("BraTS-") else _LABELS_UNTIL_2021
