"""Parameters of the comparison."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, ValidationError

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.neuroquant import NeuroQuantArchitecture, NeuroQuantAutoencoder
from mrisynth_pipeline.models.vqvae import MonaiVQVAE, VQVAEArchitecture, channels_for
from mrisynth_pipeline.pipelines.study import parameter_count
from mrisynth_pipeline.pipelines.variants import TrainingVariant, TrainingVariantsParameters, changed, refusal
from mrisynth_pipeline.training.anatomical import AnatomicalParameters
from mrisynth_pipeline.training.volumetric_autoencoding import VolumetricParameters

_SHARED = ("codebook_size", "codebook_dim", "codebook_decay", "commitment_weight", "window", "overlap")
"""What the peer takes over from NeuroQuant's architecture."""


class AutoencoderVariant(TrainingVariant):
    """A variant of NeuroQuant's autoencoder, or its peer."""

    network: Literal["neuroquant", "monai_vqvae"] = "neuroquant"
    """``monai_vqvae``: MONAI's VQ-VAE on the same latent grid, with the same codebook and windows; ``architecture``
    then changes options of its own (without ``channels`` it gets those with which it is as large as NeuroQuant)."""


class NeuroQuantAblationParameters(TrainingVariantsParameters):
    """Which autoencoders are compared, and on whom (``params:neuroquant_ablation``).

    They change options of ``neuroquant.architecture`` and ``neuroquant.stage1``; ``joint``, NeuroQuant as it is, is
    what the others are compared with.
    """

    group: ClassVar[str] = "neuroquant_ablation"

    variants: dict[str, AutoencoderVariant] = Field(min_length=2)
    """Name → changes."""


def settings_of(
    name: str,
    seed: int,
    parameters: NeuroQuantAblationParameters,
    architecture: NeuroQuantArchitecture,
    training: AnatomicalParameters,
    modalities: Sequence[str],
) -> tuple[NeuroQuantArchitecture, AnatomicalParameters] | tuple[VQVAEArchitecture, VolumetricParameters]:
    """The options of one training of one variant.

    Raises:
        InputError: The variant changes an option that does not exist, or to a wrong value, or makes the peer's latent
            grid another one.
    """
    changes, where = parameters.variants[name], f"neuroquant_ablation.variants.{name}"
    schedule = parameters.schedule(seed)
    try:
        if changes.network == "neuroquant":
            return (
                changed(NeuroQuantArchitecture, architecture.model_dump(), changes.architecture),
                changed(AnatomicalParameters, training.model_dump(), schedule, changes.training),
            )
        known = training.model_dump(include=set(VolumetricParameters.model_fields))
        settings = changed(VolumetricParameters, known, schedule, changes.training)
        peer = _peer(architecture, changes.architecture, modalities)
    except ValidationError as error:
        remedy = f"Name options of {MonaiVQVAE.__name__} (models/vqvae.py) and neuroquant.stage1's of every autoencoder"
        if changes.network == "neuroquant":
            remedy = "Name options of neuroquant.architecture and neuroquant.stage1"
        raise refusal(where, error, remedy) from error
    if peer.reduction != architecture.reduction:
        problem = f"{len(peer.channels)} channels beside {len(architecture.widths)} widths of neuroquant.architecture"
        raise InputError(where, f"{problem}: latents of different size", "Give as many, or leave them out")
    return peer, settings


def _peer(
    architecture: NeuroQuantArchitecture, changes: dict[str, Any], modalities: Sequence[str]
) -> VQVAEArchitecture:
    """MONAI's VQ-VAE beside a NeuroQuant: the same latent, and unless channels are given as many weights."""
    shared = architecture.model_dump(include=set(_SHARED))
    peer = changed(VQVAEArchitecture, {"channels": architecture.widths} | shared, changes)
    if "channels" in changes:
        return peer
    with torch.device("meta"):
        weights = parameter_count(NeuroQuantAutoencoder(tuple(modalities), architecture))
    channels = channels_for(weights, architecture.widths, peer.model_dump(exclude={"channels"}))
    return peer.model_copy(update={"channels": channels})
