"""Which models are at hand, and which of them a name means."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.archives.unpacking import unpack
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.cache import cache_folder
from mrisynth_pipeline.exporting.reading import PICKLED_SUFFIXES, refused_pickle, require_imputer
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.packaging import CARD, NETWORKS, WEIGHTS, load_card

MODELS = "06_models"
"""Folder of the models in a data folder."""
PACKAGE, MODEL = "package", "model"
"""A method's folders, the first of which is meant where both are there: ready for use, and as trained."""
REGISTRY_SCHEME = "models:/"
_GRAPHS = (".pt2", ".onnx")


@dataclass(frozen=True)
class Shelved:
    """One imputer of a data folder."""

    name: str
    """By which ``--model`` finds it."""
    kind: str
    """``package`` (with preprocessing, calibration and training data) or ``model`` (as trained)."""
    folder: Path
    card: dict[str, Any]


def resolve_model(name: str, data_dir: Path, tracking_uri: str | None = None) -> Path:
    """The model folder that a user means.

    Args:
        name: A model folder, a MONAI bundle, an MLflow model or a method's folder; a ``.zip`` of one; a method of the
            data folder (``codebrain``); or ``models:/name/version`` (also ``/latest`` and ``@alias``) in a registry.
        data_dir: The project's data folder.
        tracking_uri: MLflow store of the registry; ``None``: ``MLFLOW_TRACKING_URI``, or the project's ``mlflow.db``.

    Returns:
        A folder with the card and weights of an imputer. What was in an archive or a registry lies in the user's
        cache.

    Raises:
        InputError: There is no such model, it is no imputer, or its weights are pickled.
    """
    folder = _find(name, data_dir, tracking_uri)
    require_imputer(folder)
    return folder


def shelved_models(data_dir: Path) -> tuple[list[Shelved], list[InputError]]:
    """The imputers of a data folder, by name; and what was wrong with folders that cannot be read.

    Args:
        data_dir: The project's data folder.

    Raises:
        InputError: There is no such folder.
    """
    if not data_dir.is_dir():
        raise InputError(data_dir, "there is no such folder", "Name the project's data folder with --data-dir")
    shelved, problems = [], []
    for method in sorted(path for path in (data_dir / MODELS).glob("*") if path.is_dir()):
        folder = _of_method(method)
        if folder is None:
            continue
        try:
            if issubclass(NETWORKS[load_card(folder)["network"]], Imputer):
                shelved.append(Shelved(method.name, folder.name, folder, require_imputer(folder)))
        except InputError as error:
            problems.append(error)
    return shelved, problems


def _find(name: str, data_dir: Path, tracking_uri: str | None) -> Path:
    if name.startswith(REGISTRY_SCHEME):
        from mrisynth_pipeline.exporting.registry import fetch, store_of  # MLflow takes seconds to import

        return fetch(name, tracking_uri or store_of(data_dir))
    path = Path(name).expanduser()
    if path.is_dir():
        return _within(path)
    if path.is_file():
        return _from_file(path)
    if path.name == name and (folder := _of_method(data_dir / MODELS / name)):
        return folder
    known = sorted(method.name for method in (data_dir / MODELS).glob("*") if _of_method(method))
    at_hand = f"{data_dir / MODELS} has {', '.join(known)}" if known else f"{data_dir / MODELS} has none"
    raise InputError(name, f"there is no such model; {at_hand}", "See `mrisynth models`, or name a model folder")


def _within(folder: Path) -> Path:
    """The model folder that a folder is or holds; the folder itself where it holds none, for the error."""
    return next((place for place in _places(folder) if (place / CARD).is_file()), folder)


def _places(folder: Path) -> Iterator[Path]:
    yield folder
    yield folder / PACKAGE
    yield folder / MODEL
    yield folder / "artifacts" / PACKAGE  # an MLflow model
    yield folder / "models"  # a MONAI bundle


def _of_method(folder: Path) -> Path | None:
    return next((folder / kind for kind in (PACKAGE, MODEL) if (folder / kind).is_dir()), None)


def _from_file(path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return _unpacked(path)
    if suffix in PICKLED_SUFFIXES:
        raise refused_pickle(path)
    if suffix in _GRAPHS:
        raise InputError(path, "is a graph without preprocessing", "Name the package that it was made from")
    if path.name in (WEIGHTS, CARD):
        return path.parent
    raise InputError(path, "is no model", "Name a model folder, or a .zip of one")


def _unpacked(archive: Path) -> Path:
    """The model folder in an archive, which is unpacked once."""
    (root,) = unpack([archive], cache_folder("archives", archive.resolve()), suffixes=_MEMBERS)
    inside = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    found = next((place for top in inside for place in _places(top) if (place / CARD).is_file()), None)
    if found is None:
        pickled = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICKLED_SUFFIXES)
        if pickled:
            raise refused_pickle(archive / pickled[0].relative_to(root))
        raise InputError(archive, f"holds no {CARD}, so it is not a model", "Name a .zip that `mrisynth export` wrote")
    return found


_MEMBERS = (WEIGHTS, CARD, *PICKLED_SUFFIXES)
"""Files of an archive that are unpacked; pickles only so that the refusal can name them."""
