"""Opens a model folder as an imputer, and says what a folder holds instead if it is none."""

from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.packaging import CARD, NETWORKS, WEIGHTS, TrainedModel, load_card, load_model

PICKLED_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")
"""Endings under which weights are passed around as pickles."""

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
"""How files of ``torch.save`` begin, today's and those of old."""
_HEADER_LENGTH = 8
"""Bytes before the header of a safetensors file, which is JSON."""


def load_imputer(folder: Path) -> TrainedModel:
    """Network and card of a folder that holds an imputer.

    Args:
        folder: A model folder.

    Returns:
        The network on the CPU, in evaluation mode, and its card.

    Raises:
        InputError: The folder holds no imputer, or its weights are missing, pickled, damaged or of another network.
    """
    require_imputer(folder)
    return load_model(folder)


def require_imputer(folder: Path) -> dict[str, Any]:
    """The card of a folder that holds an imputer; of the weights only the first bytes are read.

    Args:
        folder: A model folder.

    Raises:
        InputError: It holds none, or weights that would have to be unpickled.
    """
    if not (folder / CARD).is_file() and (pickled := _pickles(folder)):
        raise refused_pickle(pickled[0])
    card = load_card(folder)
    if not issubclass(NETWORKS[card["network"]], Imputer):
        imputers = ", ".join(sorted(name for name, network in NETWORKS.items() if issubclass(network, Imputer)))
        problem = f"holds a {card['network']}, which imputes nothing by itself (imputers: {imputers})"
        raise InputError(folder, problem, "Name the folder of the method that was trained on top of it")
    weights = folder / WEIGHTS
    if not weights.is_file():
        if pickled := _pickles(folder):
            raise refused_pickle(pickled[0])
        raise InputError(weights, "is missing", "Restore the folder from where it was copied")
    with weights.open("rb") as file:
        start = file.read(_HEADER_LENGTH + 1)
    if start[_HEADER_LENGTH:] != b"{" and start.startswith((_ZIP, _PICKLE)):
        raise refused_pickle(weights)
    return card


def refused_pickle(path: Path) -> InputError:
    """The error for weights whose reading could run a stranger's code."""
    problem = "holds pickled weights, and unpickling can run any code: it will not be unpickled"
    return InputError(path, problem, f"Ask its author for {WEIGHTS} with {CARD}, as `mrisynth export` writes them")


def _pickles(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICKLED_SUFFIXES)
