"""The one door of every method: ``impute(images, available)``."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice
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

    @property
    def graph_obstacle(self) -> str:
        """Why no fixed graph of tensor operations can stand for :meth:`predict`; empty where one can."""
        return ""

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
        self._check(images, available)
        return self.filled_in(images, available)

    def filled_in(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality *spatial"]:
        """What :meth:`impute` returns of inputs that are known to fit; the part that a graph can stand for."""
        inputs, mask = self._zeroed(images, available)
        prediction = self.predict(padded(inputs, self.divisor), available)
        prediction = prediction[(..., *(slice(size) for size in images.shape[2:]))].float()
        return torch.where(mask, images, prediction.clamp(0.0, 1.0))

    def _inputs(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> tuple[Float[Tensor, "batch modality *spatial"], Bool[Tensor, "batch modality *one"]]:
        """The checked images with zeros for what is missing, and where it is not."""
        self._check(images, available)
        return self._zeroed(images, available)

    def _zeroed(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> tuple[Float[Tensor, "batch modality *spatial"], Bool[Tensor, "batch modality *one"]]:
        mask = available.reshape(*available.shape, *(1,) * self.spatial_dims)
        return torch.where(mask, images, torch.zeros_like(images)), mask

    def _check(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> None:
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


class SamplingImputer(Imputer):
    """A generative method: it has many answers, drawn from a distribution whose width says how sure it is.

    A subclass writes :meth:`draw`; its :meth:`~Imputer.predict` says which answer :meth:`~Imputer.impute` gives.
    """

    @property
    def can_draw(self) -> bool:
        """Whether it has a distribution to draw from as it is built; without one :meth:`sample` is refused."""
        return True

    @abstractmethod
    def draw(
        self,
        images: Float[Tensor, "batch modality *spatial"],
        available: Bool[Tensor, "batch modality"],
        temperature: float,
        generator: torch.Generator,
    ) -> Iterator[Float[Tensor, "batch modality *spatial"]]:
        """Without end, draws of all modalities from images whose missing channels are exactly zero.

        Args:
            images: Sizes divisible by ``divisor``.
            available: Which modalities may be used.
            temperature: Width of what is drawn from: 1 the model's own belief; 0 gives one answer, every time the same.
            generator: On the CPU; what is drawn depends on its state alone, whatever the device.
        """

    @torch.inference_mode()
    def sample(
        self,
        images: Float[Tensor, "batch modality *spatial"],
        available: Bool[Tensor, "batch modality"],
        temperature: float = 1.0,
        n_samples: int = 8,
        seed: int | torch.Generator = 0,
    ) -> tuple[Float[Tensor, "batch modality *spatial"], Float[Tensor, "batch modality *spatial"]]:
        """Fill in the missing modalities several times: mean and spread of the answers.

        Args:
            images: As for :meth:`~Imputer.impute`.
            available: As for :meth:`~Imputer.impute`.
            temperature: Width of what is drawn from.
            n_samples: Draws, at least 2.
            seed: Of the draws; or a generator on the CPU, whose state moves on.

        Returns:
            Mean of the draws in [0, 1], the available modalities as they came; and the standard deviation per voxel
            (n − 1 in the denominator), in the same unit, 0 for available modalities.

        Raises:
            ValueError: As of :meth:`~Imputer.impute`; or there are fewer than two draws, a negative temperature, or
                no distribution to draw from.
        """
        if not self.can_draw:
            raise ValueError(f"{self.name} as it is built has one answer and no distribution to draw others from")
        if n_samples < 2 or temperature < 0:
            raise ValueError(f"a spread needs n_samples >= 2 and temperature >= 0; got {n_samples} and {temperature}")
        generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
        inputs, mask = self._inputs(images, available)
        draws = self.draw(padded(inputs, self.divisor), available, temperature, generator)
        inside = (..., *(slice(size) for size in images.shape[2:]))
        mean, squares = torch.zeros_like(images), torch.zeros_like(images)  # Welford's: the draws are not kept
        for count, prediction in enumerate(islice(draws, n_samples), start=1):
            prediction = prediction[inside].float().clamp(0.0, 1.0)
            difference = prediction - mean
            mean = mean + difference / count
            squares = squares + difference * (prediction - mean)
        spread = (squares / (n_samples - 1)).sqrt()
        return torch.where(mask, images, mean), torch.where(mask, torch.zeros_like(spread), spread)


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
    (imputed,) = _slice_by_slice(method, lambda *some: (method.impute(*some),), volumes, available, batch_size, 1)
    return imputed


def sample_volume(
    method: SamplingImputer,
    volumes: Float[Tensor, "modality z y x"],
    available: Bool[Tensor, " modality"],
    temperature: float = 1.0,
    n_samples: int = 8,
    batch_size: int = 16,
    seed: int = 0,
) -> tuple[Float[Tensor, "modality z y x"], Float[Tensor, "modality z y x"]]:
    """Impute one subject's volumes several times: mean and standard deviation per voxel, on the CPU.

    Slices beyond the head stay 0, as in :func:`impute_volume`. One stream of random numbers runs through all batches of
    slices, so that no two slices are drawn alike. See :meth:`SamplingImputer.sample`.
    """
    generator = torch.Generator().manual_seed(seed)

    def sample(*some: Tensor) -> tuple[Tensor, Tensor]:
        return method.sample(*some, temperature, n_samples, generator)

    return _slice_by_slice(method, sample, volumes, available, batch_size, 2)


def _slice_by_slice(
    method: Imputer,
    function: Callable[[Tensor, Tensor], tuple[Tensor, ...]],
    volumes: Float[Tensor, "modality z y x"],
    available: Bool[Tensor, " modality"],
    batch_size: int,
    n_results: int,
) -> tuple[Float[Tensor, "modality z y x"], ...]:
    """What a function of images and availability gives for a volume; ``n_results`` images for each."""
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    if method.spatial_dims == 3:
        return tuple(whole[0].cpu() for whole in function(volumes[None].to(device), available[None].to(device)))
    slices = volumes.transpose(0, 1)
    shown = torch.where(available[:, None, None], slices, torch.zeros_like(slices))
    results = (shown, *(torch.zeros_like(shown) for _ in range(n_results - 1)))
    inside = (slices[:, available] != 0).flatten(1).any(1).nonzero()[:, 0]
    for part in inside.split(batch_size):
        made = function(slices[part].to(device), available.expand(len(part), -1).to(device))
        for result, images in zip(results, made, strict=True):
            result[part] = images.cpu()
    return tuple(result.transpose(0, 1) for result in results)
