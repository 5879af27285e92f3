"""Packages: a model folder that others can use, and the archive of one."""

import shutil
import zipfile
from pathlib import Path

from mrisynth_pipeline.exporting.card_text import readme
from mrisynth_pipeline.exporting.reading import load_imputer
from mrisynth_pipeline.exporting.whole import appearing
from mrisynth_pipeline.models.packaging import CARD, WEIGHTS

README = "README.md"


def write_package(model: Path, target: Path, overwrite: bool = False) -> Path:
    """Copy a model folder, with its card in words.

    Args:
        model: Folder of an imputer; it is read in full, so that nothing damaged is passed on.
        target: The package's folder.
        overwrite: Whether it may replace what is there.

    Returns:
        The target.

    Raises:
        InputError: The model cannot be read, or the target cannot be written.
    """
    card = load_imputer(model).card
    with appearing(target, overwrite) as folder:
        folder.mkdir()
        for name in (WEIGHTS, CARD):
            shutil.copyfile(model / name, folder / name)
        (folder / README).write_text(readme(card, target.name), encoding="utf-8")
    return target


def write_zip(model: Path, target: Path, overwrite: bool = False) -> Path:
    """Write a package as one archive, for which ``--model`` may stand.

    Args:
        model: Folder of an imputer.
        target: A ``.zip`` file; in it lies a folder of its name.
        overwrite: Whether it may replace what is there.

    Returns:
        The target.

    Raises:
        InputError: As of :func:`write_package`.
    """
    with appearing(target, overwrite) as archive:
        folder = write_package(model, archive.parent / target.stem)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            for path in sorted(folder.iterdir()):
                members.write(path, f"{target.stem}/{path.name}")
    return target
