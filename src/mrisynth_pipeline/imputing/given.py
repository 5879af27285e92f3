"""What a user hands in: a folder or a file, or files by contrast, and patterns that say what names do not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import yaml

from mrisynth_pipeline.cohorts.archives.folder import clean
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, DISPLAY_NAMES

_KNOWN = (*DISPLAY_NAMES, BRAIN_MASK)
SPELLINGS = {
    **{"t1w": "t1", "t2w": "t2", "pdw": "pd", "ce-t1w": "t1c"},
    **{"t1n": "t1", "t1ce": "t1c", "t1gd": "t1c", "t2f": "flair"},
}
"""How BIDS and BraTS spell contrasts, in small letters → internal name."""


@dataclass(frozen=True)
class OwnScans:
    """A user's own scans as handed in; either ``input`` or ``files``.

    Raises:
        InputError: Neither or both are given, a contrast is none, or ``subject`` cannot name a file.
    """

    input: Path | None = None
    """A folder of any layout, or one scan file."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Contrast, in any usual spelling → file, all of one subject."""
    subject: str = ""
    """Name of the subject where only one is handed in; ``""`` takes it from the names of folder or files."""
    names: str | None = None
    """What file names mean, as :func:`read_names` takes it; ``None``: what they say themselves."""
    output: Path | None = None
    """Where results are written: what lies there is never taken as input."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if (self.input is None) == (not self.files):
            both = "a folder and single files are given" if self.files else "neither a folder nor files are given"
            raise InputError("INPUT", both, "Name one folder or file, or one file per contrast (--t1 a.nii.gz)")
        if self.names and self.files:
            raise InputError("--names", "is for folders; here every file's contrast is given", "Leave it out")
        if self.subject and clean(self.subject) != self.subject:
            raise InputError("--subject", f"{self.subject!r} cannot be a file name", f"Use {clean(self.subject)!r}")
        if len(self.contrasts) < len(self.files):
            raise InputError("INPUT", f"{' and '.join(self.files)} name one contrast twice", "Give one file of each")

    @property
    def contrasts(self) -> dict[str, Path]:
        """Internal contrast name → file."""
        return {known_contrast(name, f"--{name}"): Path(path) for name, path in self.files.items()}


def read_names(given: str) -> dict[str, str]:
    """The patterns that say which file is which contrast.

    Args:
        given: ``"*_mp2rage*=t1,*_dark*=flair"``, or the path of a YAML or JSON file ``{pattern: contrast}``.

    Returns:
        Glob pattern → internal contrast name (or ``brain``), in the order given: the first that matches a file decides.

    Raises:
        InputError: The file cannot be read, or a pattern or contrast is none.
    """
    if given.lower().endswith((".yml", ".yaml", ".json")) and "=" not in given:
        pairs = _read_file(Path(given))
    else:
        pairs = {}
        for part in filter(None, (part.strip() for part in given.split(","))):
            pattern, equals, contrast = part.rpartition("=")
            if not (equals and pattern.strip()):
                raise InputError("--names", f"{part!r} is no pattern=contrast", "Write it like *_mp2rage*=t1")
            pairs[pattern.strip()] = contrast
    if not pairs:
        raise InputError("--names", "holds no pattern", "Write it like *_mp2rage*=t1")
    return {pattern: known_contrast(contrast, f"--names {pattern}") for pattern, contrast in pairs.items()}


def known_contrast(name: str, where: str) -> str:
    """The internal name of a contrast, however it is written (``T1Gd``, ``t1c``).

    Raises:
        InputError: There is no such contrast.
    """
    lower = str(name).strip().lower()
    known = SPELLINGS.get(lower, lower)
    if known not in _KNOWN:
        raise InputError(where, f"{str(name).strip()!r} is no contrast", f"Use one of: {', '.join(_KNOWN)}")
    return known


def matches(pattern: str, path: Path) -> bool:
    """Whether a glob pattern is for a file: on its whole path below the input, without a slash also on its name.

    Args:
        pattern: ``*``, ``?`` and ``[…]`` as in a shell, ``*`` also across folders; upper and lower case are the same.
        path: Relative to the input.
    """
    whole, lower = path.as_posix().lower(), pattern.lower()
    return fnmatch(whole, lower) or ("/" not in lower and fnmatch(path.name.lower(), lower))


def _read_file(path: Path) -> dict[str, str]:
    try:
        pairs = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "Check its name and place") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        problem = f"is neither YAML nor JSON ({' '.join(str(error).split())})"
        raise InputError(path, problem, 'Write patterns in quotes: "*_mp2rage*": t1') from error
    if not isinstance(pairs, dict) or not all(isinstance(part, str) for pair in pairs.items() for part in pair):
        raise InputError(path, "is no table of pattern: contrast", 'Write lines like "*_mp2rage*": t1')
    return pairs
