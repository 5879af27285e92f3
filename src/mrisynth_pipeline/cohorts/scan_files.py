"""What every archive reader shares: the description of one scan file, and the walk over a folder."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mrisynth_pipeline.cohorts.errors import InputError

NIFTI_SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class ScanFile:
    """One file of an archive, as its name tells it; the file itself has not been opened."""

    subject: str
    """Unit of the study: one person at one time point, e.g. ``BraTS-GLI-00005-000``."""
    patient: str
    """The person; several subjects may share one, and splits must not separate them."""
    session: str
    """Time point, ``""`` where the archive has only one."""
    site: str
    """Hospital or scanner, ``""`` where the archive does not tell."""
    modality: str
    """Internal contrast name, ``seg`` for a label map. A reader may also name contrasts of its archive
    that the project has no use for; the manifest leaves them out."""
    path: Path
    """The file, below the raw directory."""


def nifti_paths(raw_dir: Path) -> list[Path]:
    """Every NIfTI file below a folder, sorted.

    Links to folders are followed (archives are often linked into place), each real folder once. Hidden
    files are passed over: macOS leaves a ``._name.nii.gz`` beside every file it copies to a foreign disk.

    Raises:
        InputError: A folder cannot be listed.
    """
    return [path for path in _files(raw_dir) if path.name.endswith(NIFTI_SUFFIXES)]


def describe_contents(raw_dir: Path) -> str:
    """What a folder holds, for an error message: ``"3 .tar and 2 .csv files"`` or ``"no files"``."""
    kinds = Counter("".join(path.suffixes[-2:]) or "suffixless" for path in _files(raw_dir))
    if not kinds:
        return "no files"
    named = [f"{count} {kind}" for kind, count in kinds.most_common(4)]
    return f"{' and '.join(named)} file{'' if sum(kinds.values()) == 1 else 's'}"


def _files(raw_dir: Path) -> list[Path]:
    """Every file below a folder that is not hidden, sorted."""

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
