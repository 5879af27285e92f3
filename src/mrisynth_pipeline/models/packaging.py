"""A trained network on disk: safetensors weights plus a model card in JSON. Nothing is ever unpickled."""

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainAutoencoder
from mrisynth_pipeline.models.mmhvae import MMHVAE
from mrisynth_pipeline.models.neuroquant import NeuroQuant, NeuroQuantAutoencoder
from mrisynth_pipeline.models.resunet import ResUNet
from mrisynth_pipeline.models.segmenter import Segmenter
from mrisynth_pipeline.models.vqvae import MonaiVQVAE


@dataclass(frozen=True)
class TrainedModel:
    """A network and what a user must know about it."""

    network: nn.Module
    """One of :data:`NETWORKS`."""
    card: dict[str, Any] = field(default_factory=dict)
    """Grid, intensity mapping, training data, metrics, intended use; JSON values."""


NETWORKS: dict[str, type[nn.Module]] = {
    network.name: network
    for network in (
        AGINet,
        CodeBrain,
        CodeBrainAutoencoder,
        LinearRegression,
        MeanImage,
        MMHVAE,
        MonaiVQVAE,
        NeuroQuant,
        NeuroQuantAutoencoder,
        ResUNet,
        Segmenter,
    )
}
"""Every network that a model folder may hold, by name. Each has ``construction()``, the keyword arguments of its
constructor as JSON values. A new method is added here."""

WEIGHTS, CARD = "weights.safetensors", "model_card.json"


def save_model(model: TrainedModel, folder: Path) -> None:
    """Write a model folder; an older one is replaced only once the new one is complete.

    Args:
        model: Network and card.
        folder: The model folder.
    """
    network = model.network
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
        save_file(state, temporary / WEIGHTS)
        full_card = {"network": network.name, "construction": network.construction(), **model.card}
        (temporary / CARD).write_text(json.dumps(full_card, indent=2) + "\n")
        (temporary / WEIGHTS).chmod((temporary / CARD).stat().st_mode)  # safetensors lets nobody else read it
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_card(folder: Path) -> dict[str, Any]:
    """The model card of a folder.

    Raises:
        InputError: If there is none, or it names no known network.
    """
    remedy = "Train the model again, or point to a folder that this software wrote"
    try:
        card = json.loads((folder / CARD).read_text())
    except FileNotFoundError:
        raise InputError(folder, f"holds no {CARD}, so it is not a model folder", remedy) from None
    except ValueError as error:
        raise InputError(folder / CARD, f"is not valid JSON ({error})", remedy) from error
    if not isinstance(card, dict) or card.get("network") not in NETWORKS:
        raise InputError(folder / CARD, f"names no known network (known: {', '.join(sorted(NETWORKS))})", remedy)
    return card


def load_model(folder: Path) -> TrainedModel:
    """Network and card of a model folder, the network on the CPU and in evaluation mode.

    Raises:
        InputError: If the card or the weights are missing, corrupt, or do not belong together.
    """
    card = load_card(folder)
    remedy = "Train the model again, or restore the folder from where it was copied"
    try:
        network = NETWORKS[card["network"]](**card["construction"])
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise InputError(folder / WEIGHTS, f"cannot be read as safetensors ({error})", remedy) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(folder, f"weights and model card do not fit together ({error})", remedy) from error
    return TrainedModel(network.eval(), card)
