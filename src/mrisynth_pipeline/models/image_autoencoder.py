"""What autoencoders of single 3D images through a codebook have in common, whatever network is inside."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mrisynth_pipeline.models.windows import Windows, in_windows, tokens_in_windows


class CodedArchitecture(Windows, Protocol):
    """What architectures of such autoencoders say alike."""

    codebook_size: int
    """Number of codes."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """All options, as JSON values."""


class Codes(NamedTuple):
    """What quantisation gives."""

    values: Float[Tensor, "batch anatomy d h w"]
    """Codes for the decoder."""
    indices: Int[Tensor, "batch d h w"] | None
    """Which codes; ``None`` for continuous anatomy."""
    loss: Float[Tensor, ""]
    """Weighted commitment loss; 0 outside training."""


class ImageAutoencoder(nn.Module, ABC):
    """Images in [0, 1] of one modality at a time, through codes and back; a subclass writes the network.

    Args:
        modalities: Contrasts in channel order.
        architecture: Sizes, windows and codebook.
    """

    name: str
    """Under which model cards list it."""

    def __init__(self, modalities: tuple[str, ...], architecture: CodedArchitecture) -> None:
        super().__init__()
        self.modalities, self.architecture = tuple(modalities), architecture

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "batch 1 z y x"], modality: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch 1 z y x"], Codes]:
        """Reconstruction of single images of the modalities (index) given, and their codes; in one pass."""

    @abstractmethod
    def tokens(self, images: Float[Tensor, "batch 1 z y x"]) -> Int[Tensor, "batch d h w"]:
        """Index of the code at every position of single images, in one pass; the codebook stays as it is.

        Raises:
            ValueError: If there are no codes.
        """

    @property
    def discrete(self) -> bool:
        """Whether there are codes to count."""
        return True

    @property
    def codebook_size(self) -> int:
        """Number of codes; there are none to count if the anatomy is continuous."""
        return self.architecture.codebook_size

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return {"modalities": list(self.modalities), "architecture": self.architecture.model_dump(mode="json")}

    def require_divisible(self, size: tuple[int, ...]) -> None:
        """Refuse sizes that the network cannot halve as often as it does.

        Raises:
            ValueError: If one of them is not divisible by the reduction.
        """
        if any(n % self.architecture.reduction for n in size):
            raise ValueError(f"image sizes must be divisible by {self.architecture.reduction}, got {tuple(size)}")

    @torch.inference_mode()
    def reconstruct(
        self, images: Float[Tensor, "batch modality z y x"], present: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality z y x"]:
        """Every present modality of whole volumes through its own codes; 0 where absent.

        Volumes of any size; in windows as the architecture says.
        """

        def each(part: Tensor, have: Tensor) -> Tensor:
            made = torch.zeros_like(part)
            for m in have[0].nonzero()[:, 0].tolist():
                made[:, m] = self(part[:, m : m + 1], torch.tensor([m], device=part.device))[0][:, 0]
            return made

        return in_windows(each, images, present, self.architecture)

    @torch.inference_mode()
    def indices(
        self, images: Float[Tensor, "batch modality z y x"], present: Bool[Tensor, "batch modality"]
    ) -> Int[Tensor, "batch modality d h w"]:
        """Index of the code at every position of whole volumes, each position once; −1 for modalities that are absent.

        Volumes of any size, in windows side by side as the architecture says.

        Raises:
            ValueError: If there are no codes.
        """

        def each(part: Tensor, have: Tensor) -> Tensor:
            size = (n // self.architecture.reduction for n in part.shape[2:])
            found = torch.full((*part.shape[:2], *size), -1, device=part.device)
            for m in have[0].nonzero()[:, 0].tolist():
                found[:, m] = self.tokens(part[:, m : m + 1])
            return found

        return tokens_in_windows(each, images, present, self.architecture)
