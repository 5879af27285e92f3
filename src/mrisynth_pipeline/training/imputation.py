"""What the trainings of imputation share, in 2D and 3D: availability draws, losses, the validation subsets."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from mrisynth_pipeline.sampling.availability import all_subsets, draw_inputs, draw_subsets
from mrisynth_pipeline.training.parameters import OptimisationParameters
from mrisynth_pipeline.training.schedule import ScheduledTraining


def on_voxels(
    values: Shaped[Tensor, "batch modality"], images: Float[Tensor, "batch modality *spatial"]
) -> Shaped[Tensor, "batch modality *one"]:
    """Values per sample and modality with axes of length 1 for the voxels of the images."""
    return values.reshape(*values.shape, *(1,) * (images.ndim - 2))


def zero_filled(
    images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch modality *spatial"]:
    """The images as a network gets them: exactly 0 where a modality is missing."""
    return torch.where(on_voxels(available, images), images, 0.0)


def masked_mean(
    values: Float[Tensor, "batch modality"], mask: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "modality"]:
    """Mean over the samples that the mask takes, per modality; NaN where it takes none."""
    return torch.where(mask, values, 0.0).sum(0) / mask.sum(0)


def _over_voxels(values: Float[Tensor, "batch modality *spatial"]) -> Float[Tensor, "batch modality"]:
    return values.mean(tuple(range(2, values.ndim)))


def mean_squared_error(
    prediction: Float[Tensor, "batch modality *spatial"], target: Float[Tensor, "batch modality *spatial"]
) -> Float[Tensor, "batch modality"]:
    """Per image and modality, over its voxels, in single precision."""
    return _over_voxels((prediction.float() - target.float()).square())


def mean_absolute_error(
    prediction: Float[Tensor, "batch modality *spatial"], target: Float[Tensor, "batch modality *spatial"]
) -> Float[Tensor, "batch modality"]:
    """Per image and modality, over its voxels, in single precision."""
    return _over_voxels((prediction.float() - target.float()).abs())


def reconstruction_loss(
    prediction: Float[Tensor, "batch modality *spatial"],
    target: Float[Tensor, "batch modality *spatial"],
    mask: Bool[Tensor, "batch modality"],
    kind: Literal["psnr", "l1"],
) -> Float[Tensor, ""]:
    """Reconstruction loss of the images that the mask takes: per modality over batch and voxels, then their mean.

    ``psnr`` is 10·log10(MSE + 1e-8), the negative PSNR in dB for data of range 1; ``l1`` the mean absolute error.
    Modalities that the mask takes from no sample do not count.
    """
    if kind == "psnr":
        per_modality = 10.0 * torch.log10(masked_mean(mean_squared_error(prediction, target), mask) + 1e-8)
    else:
        per_modality = masked_mean(mean_absolute_error(prediction, target), mask)
    return per_modality[mask.any(0)].mean()


def image_psnr(
    prediction: Float[Tensor, "batch modality *spatial"],
    target: Float[Tensor, "batch modality *spatial"],
    mask: Bool[Tensor, "batch modality"],
) -> Float[Tensor, ""]:
    """Mean PSNR in dB over the slices or patches that the mask takes, prediction clamped to [0, 1], data range 1."""
    errors = mean_squared_error(prediction.clamp(0.0, 1.0), target)
    return (-10.0 * torch.log10(errors.clamp(min=1e-10)))[mask].mean()


class ImputationTraining(ScheduledTraining):
    """Base of the trainings on stacks with modalities hidden at random.

    Args:
        n_modalities: Contrasts in the stack.
        optimisation: Schedule and seed.
    """

    def __init__(self, n_modalities: int, optimisation: OptimisationParameters) -> None:
        super().__init__(optimisation)
        self.n_modalities = n_modalities

    def step_generator(self, shared: bool = False) -> torch.Generator:
        """What a step draws from: depends on seed, step and rank alone, so that a resumed run draws the same.

        Args:
            shared: Draw the same on every rank, for what all processes must do or leave together.
        """
        rank = 1_008 if shared else self.global_rank
        return torch.Generator().manual_seed((self.optimisation.seed * 1_000_003 + self.global_step) * 1_009 + rank)

    def stack(
        self, batch: dict[str, Tensor]
    ) -> tuple[Float[Tensor, "batch modality *spatial"], Bool[Tensor, "batch modality"]]:
        """Images of a batch, exactly 0 where a subject lacks the modality, and what is present."""
        return zero_filled(batch["images"], batch["present"]), batch["present"]

    def draw_available(
        self,
        images: Float[Tensor, "batch modality *spatial"],
        generator: torch.Generator,
        present: Bool[Tensor, "batch modality"] | None = None,
    ) -> Bool[Tensor, "batch modality"]:
        """One subset per sample of what it has (``None``: all), drawn from :meth:`step_generator`.

        Complete samples draw first, so that they get the same with and without ``present``.
        """
        available = draw_subsets(len(images), self.n_modalities, generator)
        if present is not None:
            for row in (~present.all(1)).nonzero()[:, 0].tolist():
                available[row] = draw_inputs(present[row : row + 1], generator)[0]
        return available.to(images.device)

    def validation_available(
        self, images: Float[Tensor, "batch modality *spatial"], present: Bool[Tensor, "batch modality"] | None = None
    ) -> Bool[Tensor, "batch modality"]:
        """All subsets in turn of what a sample has (``None``: all), always the same ones; its only modality stays."""
        subsets = all_subsets(self.n_modalities).to(images.device)
        available = subsets[torch.arange(len(images), device=images.device) % len(subsets)]
        if present is not None:
            for row in (~present.all(1)).nonzero()[:, 0].tolist():
                available[row] = present[row]
                if (count := int(present[row].sum())) > 1:
                    own = all_subsets(count).to(images.device)
                    available[row, present[row]] = own[row % len(own)]
        return available
