"""From what a user has, an archive in whatever shape, to a folder that a reader understands."""

import hashlib
import logging
import os
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.dicom import convert_dicom
from mrisynth_pipeline.cohorts.archives.download import IXI_FILES, download_ixi
from mrisynth_pipeline.cohorts.archives.unpacking import packed_archives, unpack
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import CohortParameters

logger = logging.getLogger(__name__)


def obtain(cohort: CohortParameters, archive_folder: Path, workers: int = 1) -> tuple[str, Path]:
    """Download, unpack or convert an archive where need be. What was done before is not done again.

    Args:
        cohort: Which archive, and where.
        archive_folder: Where what is made goes, a folder of its own for each ``raw_dir``.
        workers: DICOM studies converted at a time.

    Returns:
        Layout and folder to read.

    Raises:
        InputError: There is no such folder, or see ``download``, ``unpacking`` and ``dicom``.
    """
    if cohort.download:
        return cohort.kind, _downloaded(cohort, archive_folder)
    if cohort.raw_dir is None:
        raise InputError("cohort.raw_dir", "is not set", "Set it to the folder of the archive")
    raw_dir = Path(cohort.raw_dir)
    if cohort.kind == "dicom":
        return "bids", convert_dicom(raw_dir, archive_folder / _name("dicom", raw_dir), workers)
    if archives := packed_archives(raw_dir):
        folder = archive_folder / _name("unpacked", raw_dir)
        unpack(archives, folder)
        return cohort.kind, folder
    return cohort.kind, raw_dir


def portable(path: Path) -> str:
    """A path as it is written into files: relative where possible, so that they are the same on every machine."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _downloaded(cohort: CohortParameters, archive_folder: Path) -> Path:
    """IXI's folder, with what it lacked fetched and unpacked into it."""
    folder = cohort.raw_dir or archive_folder / cohort.kind
    archives = download_ixi(folder, cohort.modalities or tuple(IXI_FILES))
    unpack(archives, folder)
    if archives:
        logger.info("%s: the .tar files are not needed any more, deleting them frees their room", folder)
    return folder


def _name(made: str, raw_dir: Path) -> str:
    """A folder name of its own for each raw directory, so that two archives are never mixed."""
    return f"{made}-{raw_dir.name.split('.')[0]}-{hashlib.sha256(str(raw_dir.resolve()).encode()).hexdigest()[:8]}"
