"""The archive layouts the project can read. A new one is one reader module and one line in ``LAYOUTS``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mrisynth_pipeline.cohorts import brats, ixi
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.scan_files import ScanFile, describe_contents, nifti_paths

__all__ = ["LAYOUTS", "Layout", "ScanFile", "find_scans", "unrecognised_files"]


def _no_label_values(scan: ScanFile) -> frozenset[int]:
    """For archives without label maps."""
    return frozenset()


@dataclass(frozen=True)
class Layout:
    """How one archive is laid out on disk."""

    find_scans: Callable[[Path], list[ScanFile]]
    """The reader: folder → its scans and label maps, by file name alone."""
    modalities: tuple[str, ...]
    """The archive's contrasts in channel order."""
    registered: bool
    """Whether the contrasts of a subject come on one grid, skull-stripped."""
    example: str
    """File names of this layout, for error messages."""
    label_values: Callable[[ScanFile], frozenset[int]] = _no_label_values
    """The values that a given label map may hold."""


LAYOUTS: dict[str, Layout] = {
    "brats": Layout(brats.find_scans, brats.MODALITIES, True, brats.EXAMPLE, brats.label_values),
    "ixi": Layout(ixi.find_scans, ixi.MODALITIES, False, ixi.EXAMPLE),
}
"""Layout name (``cohort.kind``) → layout."""


def find_scans(kind: str, raw_dir: Path) -> list[ScanFile]:
    """All scans of an unpacked archive.

    Args:
        kind: Name of the layout, a key of ``LAYOUTS``.
        raw_dir: Folder of the unpacked archive.

    Returns:
        At least one scan, sorted by path.

    Raises:
        InputError: The layout is unknown, the folder is missing or holds no scan of this layout. The message
            names what was found instead and, if another layout fits, that layout.
    """
    raw_dir = Path(raw_dir)
    layout = get_layout(kind)
    if raw_dir.is_file():
        raise InputError(
            raw_dir, "is a file where a folder is expected", "Unpack it and name its folder in cohort.raw_dir"
        )
    if not raw_dir.is_dir():
        raise InputError(raw_dir, "there is no such folder", "Set cohort.raw_dir to the folder of the unpacked archive")
    if scans := layout.find_scans(raw_dir):
        return scans

    problem = f"holds no {kind} scan (looked for names like {layout.example})"
    for name, other in LAYOUTS.items():
        if count := len(other.find_scans(raw_dir)):
            raise InputError(
                raw_dir,
                f"{problem} but {count} files named like {other.example}",
                f"It looks like {'an' if name[0] in 'aeiou' else 'a'} {name} archive: use cohort.kind={name}",
            )
    raise InputError(
        raw_dir,
        f"{problem}, found {describe_contents(raw_dir)} instead",
        "Set cohort.raw_dir to the folder of the unpacked archive; unpack .tar or .zip files first",
    )


def unrecognised_files(raw_dir: Path, scans: list[ScanFile]) -> list[Path]:
    """The NIfTI files of a folder that a reader did not recognise, sorted: misnamed scans or strangers."""
    recognised = {scan.path for scan in scans}
    return [path for path in nifti_paths(Path(raw_dir)) if path not in recognised]


def get_layout(kind: str) -> Layout:
    """The layout of this name.

    Raises:
        InputError: There is none.
    """
    if kind not in LAYOUTS:
        raise InputError("cohort.kind", f"there is no layout {kind!r}", f"Use one of: {', '.join(LAYOUTS)}")
    return LAYOUTS[kind]
