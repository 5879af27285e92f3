"""The one door of every method: ``impute(images, available)``."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Imputer(nn.Module, ABC):
    """A method that fills in missing contrasts.

    Evaluation, segmentation, own-data imputation and export know nothing else about a method. A subclass writes
    :meth:`predict`; this class keeps the promises of the door.

    Args:
        modalities: Contrasts in channel order.
        spatial_dims: 2 if the method works on axial slices, 3 if on whole volumes.
        divisor: Every spatial size must be divisible by this; smaller sizes are padded and cropped back.
    """

    name: str
    """Under which tables, figures and model cards list the method."""

    def __init__(self, modalities: tuple[str, ...], spatial_dims: int, divisor: int = 1) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.spatial_dims = spatial_dims
        self.divisor = divisor

    @abstractmethod
    def predict(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality *spatial"]:
        """All modalities from images whose missing channels are exactly zero; any value range may come out."""

    def covers(self, available: Bool[Tensor, " modality"], target: int) -> bool:
        """Whether the method was made to impute this contrast from these; one of a fixed scenario is asked no other.

        Args:
            available: Which modalities may be used.
            target: Channel of the contrast to impute.
        """
        return True

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values, for the model card."""
        return {"modalities": list(self.modalities)}

    @torch.inference_mode()
    def impute(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality *spatial"]:
        """Fill in the missing modalities.

        Args:
            images: Intensities in [0, 1], background 0. Channels of missing modalities are ignored, whatever they
                hold (NaN included).
            available: Which modalities may be used; at least one per sample.

        Returns:
            Images in [0, 1]: the available modalities as they came, the others imputed.

        Raises:
            ValueError: If the shapes do not fit the method or a sample has no modality at all.
        """
        if images.ndim != 2 + self.spatial_dims or images.shape[:2] != available.shape:
            raise ValueError(
                f"{self.name} takes images [batch, modality, {self.spatial_dims} spatial axes] and available "
                f"[batch, modality]; got {tuple(images.shape)} and {tuple(available.shape)}"
            )
        if images.shape[1] != len(self.modalities):
            raise ValueError(
                f"{self.name} was made for {len(self.modalities)} modalities ({', '.join(self.modalities)}); "
                f"got {images.shape[1]} channels"
            )
        if not available.any(dim=1).all():
            raise ValueError("at least one modality of every sample must be available")
        mask = available.reshape(*available.shape, *(1,) * self.spatial_dims)
        inputs = torch.where(mask, images, torch.zeros_like(images))
        prediction = self.predict(padded(inputs, self.divisor), available)
        prediction = prediction[(..., *(slice(size) for size in images.shape[2:]))].float()
        return torch.where(mask, images, prediction.clamp(0.0, 1.0))


def padded(images: Float[Tensor, "batch modality *spatial"], divisor: int) -> Float[Tensor, "batch modality *padded"]:
    """Images with zeros behind their last voxels, until every spatial size is divisible by the divisor."""
    return nn.functional.pad(images, [p for size in reversed(images.shape[2:]) for p in (0, -size % divisor)])


def impute_volume(
    method: Imputer,
    volumes: Float[Tensor, "modality z y x"],
    available: Bool[Tensor, " modality"],
    batch_size: int = 16,
) -> Float[Tensor, "modality z y x"]:
    """Impute one subject's volumes: axial slices as a batch for 2D methods, the whole for 3D ones.

    Slices on which every available contrast is exactly 0 lie beyond the head: a 2D method is not asked, they stay 0.

    Args:
        method: Any imputer.
        volumes: Intensities in [0, 1].
        available: Which modalities may be used.
        batch_size: Slices per forward pass of a 2D method.

    Returns:
        Volumes of all modalities in [0, 1], on the CPU.
    """
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    if method.spatial_dims == 3:
        return method.impute(volumes[None].to(device), available[None].to(device))[0].cpu()
    slices = volumes.transpose(0, 1)
    imputed = torch.where(available[:, None, None], slices, torch.zeros_like(slices))
    inside = (slices[:, available] != 0).flatten(1).any(1).nonzero()[:, 0]
    for part in inside.split(batch_size):
        imputed[part] = method.impute(slices[part].to(device), available.expand(len(part), -1).to(device)).cpu()
    return imputed.transpose(0, 1)
