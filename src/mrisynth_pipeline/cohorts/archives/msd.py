"""Reads the file names of the Medical Segmentation Decathlon's brain tumours (``Task01_BrainTumour``).

``imagesTr/BRATS_001.nii.gz`` holds the four contrasts of a patient as the volumes of one 4-D file, in the order of the
archive's ``dataset.json``: FLAIR, T1w, t1gd, T2w. ``labelsTr/BRATS_001.nii.gz`` is the label map of the same name;
scans in ``imagesTs`` have none. Scans are told from label maps by the name of their folder alone.

Source: Simpson et al., arXiv 1902.09063; the scans are those of BraTS 2016 and 2017.
"""

import re
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile, scan_paths
from mrisynth_pipeline.cohorts.modalities import SEGMENTATION

MODALITIES = ("t1", "t1c", "t2", "flair")
EXAMPLE = "imagesTr/BRATS_001.nii.gz"

_NAME = re.compile(r"(?P<patient>BRATS_\d{3,})\.nii(\.gz)?")
_VOLUMES = ("flair", "t1", "t1c", "t2")
"""Contrast of each volume along the fourth axis."""
_LABELS = {0: 0, 1: 2, 2: 1, 3: 3}
"""The archive writes 1 for oedema, 2 for non-enhancing tumour, 3 for enhancing tumour."""


def find_scans(raw_dir: Path) -> list[ScanFile]:
    """All scans and label maps of the archive.

    Args:
        raw_dir: Folder of the unpacked archive.

    Returns:
        Four entries per 4-D file, one per label map, sorted by path; empty when nothing is recognised.

    Raises:
        InputError: A folder cannot be listed.
    """
    return [scan for path in scan_paths(raw_dir) for scan in _parse(path)]


def _parse(path: Path) -> list[ScanFile]:
    """The scans, or the label map, in one file; none when folder or name are not of this archive."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return []
    patient = match["patient"]
    if path.parent.name in ("imagesTr", "imagesTs"):
        return [
            ScanFile(patient, patient, session="", site="", modality=modality, path=path, volume=volume)
            for volume, modality in enumerate(_VOLUMES)
        ]
    if path.parent.name == "labelsTr":
        return [ScanFile(patient, patient, session="", site="", modality=SEGMENTATION, path=path, labels=_LABELS)]
    return []
