"""The archive layouts the project can read. A new one is one reader module and one line in ``LAYOUTS``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mrisynth_pipeline.cohorts.archives import bids, brats, folder, ixi, msd, remind
from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile, describe_contents, scan_paths
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import MR_CONTRASTS, ULTRASOUND

__all__ = ["DISTINCT", "LAYOUTS", "MIXED", "Layout", "ScanFile", "find_scans", "study_modalities", "unrecognised_files"]

MIXED = "mixed"
"""The layout of a folder that holds several archives: every reader takes the files whose names it knows."""


@dataclass(frozen=True)
class Layout:
    """How one archive is laid out on disk."""

    find_scans: Callable[[Path], list[ScanFile]]
    """The reader: folder → its scans and label maps, by file name alone."""
    modalities: tuple[str, ...]
    """The archive's contrasts in channel order."""
    registered: bool | None
    """Whether the contrasts of a subject come on one grid, skull-stripped; ``None``: it depends on the subject, and
    the manifest finds out."""
    example: str
    """File names of this layout, for error messages."""
    open_ended: bool = False
    """Whether ``modalities`` are those that the archive may hold, not those that it does."""
    on_request: tuple[str, ...] = ()
    """Further contrasts, which a study has only if ``cohort.modalities`` names them: they change what it is about."""
    fallback: bool = False
    """Whether the reader takes names of other layouts too: it then has no part in ``mixed``, and is suggested last."""
    why_not: Callable[[Path, Path], tuple[str, str]] | None = None
    """(File, folder) → problem and remedy of a file that the reader left out, where it knows more than that its name is
    not of this layout."""


LAYOUTS: dict[str, Layout] = {
    "brats": Layout(brats.find_scans, brats.MODALITIES, True, brats.EXAMPLE),
    "ixi": Layout(ixi.find_scans, ixi.MODALITIES, False, ixi.EXAMPLE),
    "msd": Layout(msd.find_scans, msd.MODALITIES, True, msd.EXAMPLE),
    "remind": Layout(
        remind.find_scans, remind.MODALITIES, False, remind.EXAMPLE, open_ended=True, on_request=(ULTRASOUND,)
    ),
    "bids": Layout(bids.find_scans, bids.MODALITIES, None, bids.EXAMPLE, open_ended=True),
    "folder": Layout(
        folder.find_scans,
        folder.MODALITIES,
        None,
        folder.EXAMPLE,
        open_ended=True,
        fallback=True,
        why_not=folder.why_not,
    ),
}
"""Layout name (``cohort.kind``) → layout."""

DISTINCT = tuple(name for name, layout in LAYOUTS.items() if not layout.fallback)
"""Layouts whose names are of no other."""


def _find_by_every_reader(raw_dir: Path) -> list[ScanFile]:
    found = [replace(scan, layout=name) for name in DISTINCT for scan in LAYOUTS[name].find_scans(raw_dir)]
    return sorted(found, key=lambda scan: scan.path)


LAYOUTS[MIXED] = Layout(
    _find_by_every_reader,
    MR_CONTRASTS,
    registered=None,
    example=f"those of {', '.join(DISTINCT)}, such as {brats.EXAMPLE.split(',')[0]} or {bids.EXAMPLE}",
    open_ended=True,
)


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
        return [scan if scan.layout else replace(scan, layout=kind) for scan in scans]

    problem = f"holds no {kind} scan (looked for names like {layout.example})"
    for name in (*DISTINCT, *(name for name, other in LAYOUTS.items() if other.fallback)):
        if name != kind and (count := len(LAYOUTS[name].find_scans(raw_dir))):
            looks = f"It looks like {'an' if name[0] in 'aeiou' else 'a'} {name} archive: use cohort.kind={name}"
            if LAYOUTS[name].fallback:
                looks = f"If these names say the contrasts, use cohort.kind={name}"
            raise InputError(raw_dir, f"{problem} but {count} files named like {LAYOUTS[name].example}", looks)
    raise InputError(
        raw_dir,
        f"{problem}, found {describe_contents(raw_dir)} instead",
        "Set cohort.raw_dir to the folder of the archive",
    )


def study_modalities(
    kind: str, raw_dir: Path, wanted: Sequence[str] | None = None, found: Sequence[ScanFile] | None = None
) -> tuple[str, ...]:
    """The contrasts of a study, in channel order.

    Args:
        kind: Name of the layout.
        raw_dir: Folder of the unpacked archive; looked into only where the layout is open-ended.
        found: Its scans, if they are known already.
        wanted: Contrasts asked for; ``None`` takes all of the layout, or where a layout is open-ended those found;
            never those on request.

    Raises:
        InputError: A contrast asked for is none of the layout, or nothing of the layout's contrasts is there.
    """
    layout = get_layout(kind)
    known = (*layout.modalities, *layout.on_request)
    for modality in wanted or ():
        if modality not in known:
            raise InputError(
                "cohort.modalities",
                f"{modality!r} is no contrast of the {kind} layout",
                f"Use some of: {', '.join(known)}",
            )
    if wanted:
        return tuple(wanted)
    if not layout.open_ended:
        return layout.modalities
    present = {scan.modality for scan in (find_scans(kind, raw_dir) if found is None else found)}
    modalities = tuple(name for name in layout.modalities if name in present)
    if not modalities:
        raise InputError(raw_dir, f"no scan there is one of {', '.join(layout.modalities)}", "Look at the file names")
    return modalities


def unrecognised_files(raw_dir: Path, scans: Sequence[ScanFile]) -> list[Path]:
    """The scan files of a folder that a reader did not recognise, sorted: misnamed scans or strangers."""
    recognised = {scan.path for scan in scans}
    return [path for path in scan_paths(Path(raw_dir)) if path not in recognised]


def get_layout(kind: str) -> Layout:
    """The layout of this name.

    Raises:
        InputError: There is none.
    """
    if kind not in LAYOUTS:
        raise InputError("cohort.kind", f"there is no layout {kind!r}", f"Use one of: {', '.join(LAYOUTS)}")
    return LAYOUTS[kind]
