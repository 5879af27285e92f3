"""Which files below an input this software wrote itself: what it made up is never taken for a measurement."""

import json
from collections.abc import Iterable
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.scan_files import all_files

SYNTHETIC = "_desc-synth"
"""In the name of every image that this software writes."""

GENERATOR = "mrisynth"
"""How the ``GeneratedBy`` entry of its ``dataset_description.json`` begins."""


def made_here(paths: Iterable[Path], root: Path, output: Path | None = None) -> set[Path]:
    """The files that are results of this software.

    Args:
        paths: Scan files below ``root``.
        root: The input.
        output: Where results are written; counts if it lies inside the input.

    Returns:
        Files with ``_desc-synth`` in their name, in ``output``, or below a ``dataset_description.json`` that names this
        software as what generated it.
    """
    folders = _generated_folders(root)
    if output is not None and root.resolve() in output.resolve().parents:
        folders.append(output.resolve())
    return {
        path
        for path in paths
        if SYNTHETIC in path.name.lower() or any(path.resolve().is_relative_to(folder) for folder in folders)
    }


def _generated_folders(root: Path) -> list[Path]:
    descriptions = (path for path in all_files(root) if path.name == "dataset_description.json")
    return [path.parent.resolve() for path in descriptions if _is_ours(path)]


def _is_ours(description: Path) -> bool:
    """Whether a dataset says that this software made it; one that cannot be read says nothing."""
    try:
        entries = json.loads(description.read_text(encoding="utf-8"))["GeneratedBy"]
        return any(str(entry["Name"]).lower().startswith(GENERATOR) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError):
        return False
