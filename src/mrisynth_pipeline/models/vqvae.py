"""MONAI's 3D VQ-VAE (van den Oord et al. 2017; Tudosiu et al. 2022), the peer of NeuroQuant's autoencoder.

It is taken as it is: strided convolutions down and up, its own codebook by moving averages from a random start, without
revival of dead codes. It sees one image at a time and is not told of which modality: one latent has to say all.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from monai.networks.nets import VQVAE
from pydantic import Field, model_validator
from torch import Tensor

from mrisynth_pipeline.models.image_autoencoder import Codes, ImageAutoencoder
from mrisynth_pipeline.parameters import Parameters


class VQVAEArchitecture(Parameters):
    """Sizes of MONAI's VQ-VAE; the codebook's defaults are those of NeuroQuant's."""

    channels: tuple[int, ...] = Field(min_length=1)
    """Channels of the stages, of their residual units too; each halves the resolution."""
    residual_layers: int = Field(3, ge=0)
    """Residual units of a stage; MONAI's default."""
    codebook_size: int = Field(4096, ge=2)
    """Number of codes."""
    codebook_dim: int = Field(64, ge=1)
    """Length of a code, and channels of the latent."""
    codebook_decay: float = Field(0.99, ge=0, lt=1)
    """Decay of the codebook's moving average per step."""
    commitment_weight: float = Field(0.25, ge=0)
    """Weight of the commitment loss."""
    window: tuple[int, int, int] | None = None
    """Size (x, y, z) of the windows in which larger volumes are processed; ``None``: always in one pass."""
    overlap: float = Field(0.5, ge=0, lt=1)
    """Share of a window that it has in common with its neighbour."""

    @property
    def reduction(self) -> int:
        """Voxels between two codes, per axis."""
        return 2 ** len(self.channels)

    @model_validator(mode="after")
    def _window_can_be_halved(self) -> "VQVAEArchitecture":
        if self.window and any(size % self.reduction for size in self.window):
            raise ValueError(
                f"window={self.window} must be divisible by {self.reduction} with {len(self.channels)} channels"
            )
        return self


class MonaiVQVAE(ImageAutoencoder):
    """MONAI's VQ-VAE behind the face of NeuroQuant's autoencoder. Images in [0, 1] go in and come out.

    Sizes must be divisible by ``reduction``.

    Args:
        modalities: Contrasts in channel order; the network knows none of them.
        architecture: Sizes, or a mapping of them (from a model card).
    """

    name = "monai_vqvae"

    def __init__(self, modalities: tuple[str, ...], architecture: VQVAEArchitecture | dict[str, Any]) -> None:
        a = VQVAEArchitecture.model_validate(architecture)
        super().__init__(modalities, a)
        self.network = VQVAE(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            channels=a.channels,
            num_res_layers=a.residual_layers,
            num_res_channels=a.channels,
            downsample_parameters=(2, 4, 1, 1),  # stride, kernel, dilation, padding: MONAI's defaults, for any depth
            upsample_parameters=(2, 4, 1, 1, 0),
            num_embeddings=a.codebook_size,
            embedding_dim=a.codebook_dim,
            commitment_cost=a.commitment_weight,
            decay=a.codebook_decay,
        )

    def _quantised(self, images: Float[Tensor, "batch 1 z y x"]) -> Codes:
        """Codes of single images; in training mode the codebook follows."""
        self.require_divisible(images.shape[2:])
        features = self.network.encode(images).float()
        with torch.autocast(images.device.type, enabled=False):  # MONAI sees to it on CUDA alone
            values, loss, indices = self.network.quantizer.quantizer(features)
        return Codes(values, indices, loss)

    def forward(
        self, images: Float[Tensor, "batch 1 z y x"], modality: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch 1 z y x"], Codes]:
        """Reconstruction of single images, and their codes; the modality is not looked at."""
        codes = self._quantised(images)
        return self.network.decode(codes.values), codes

    def tokens(self, images: Float[Tensor, "batch 1 z y x"]) -> Int[Tensor, "batch d h w"]:
        """Index of the code at every position of single images, in evaluation mode."""
        return self._quantised(images).indices


def channels_for(weights: int, widths: Sequence[int], options: dict[str, Any]) -> tuple[int, ...]:
    """Channels in the proportions of another network's widths, such that the VQ-VAE has about so many weights.

    Args:
        weights: How many are wanted, the codebook included.
        widths: The proportions, one width per stage.
        options: Of :class:`VQVAEArchitecture`, but for ``channels``.

    Returns:
        Of all that a bisection of the common factor comes by, those whose number of weights is nearest.
    """

    def count(channels: tuple[int, ...]) -> int:
        with torch.device("meta"):
            network = MonaiVQVAE(("any",), VQVAEArchitecture(channels=channels, **options))
        return sum(weight.numel() for weight in network.parameters())

    found: dict[tuple[int, ...], int] = {}
    low, high = 0.0, 1.0
    while found.get(_scaled(widths, high), 0) < weights:
        high *= 2.0
        found[_scaled(widths, high)] = count(_scaled(widths, high))
    for _ in range(12):
        middle = (low + high) / 2
        channels = _scaled(widths, middle)
        found[channels] = found[channels] if channels in found else count(channels)
        low, high = (middle, high) if found[channels] < weights else (low, middle)
    return min(found, key=lambda channels: abs(found[channels] - weights))


def _scaled(widths: Sequence[int], factor: float) -> tuple[int, ...]:
    return tuple(max(1, round(factor * width)) for width in widths)
