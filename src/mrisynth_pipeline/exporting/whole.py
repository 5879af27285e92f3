"""What is exported appears whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrisynth_pipeline.cohorts.errors import InputError


@contextmanager
def appearing(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """A place beside the target to write a file or a folder to; it takes the target's name at the end.

    Args:
        target: What is to be made.
        overwrite: Whether it may replace what is there.

    Yields:
        The path to write to, in a folder of its own that is removed whatever happens.

    Raises:
        InputError: The target is there and must not be overwritten, or nothing can be written there.
    """
    if target.exists() and not overwrite:
        raise InputError(target, "is already there", "Choose another place, or add --overwrite")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    except OSError as error:
        raise InputError(target, f"cannot be written ({error.strerror})", "Check its place and permissions") from error
    try:
        unfinished = workplace / target.name
        yield unfinished
        if target.exists():
            target.replace(workplace / "old")  # goes with the workplace; a folder cannot take a file's name
        unfinished.replace(target)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
