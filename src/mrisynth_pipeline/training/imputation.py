"""What the trainings of slice-wise imputation share: availability draws, losses, the validation subsets."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.sampling.availability import all_subsets, draw_subsets
from mrisynth_pipeline.training.parameters import OptimisationParameters
from mrisynth_pipeline.training.schedule import ScheduledTraining


def masked_mean(
    values: Float[Tensor, "batch modality"], mask: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "modality"]:
    """Mean over the samples that the mask takes, per modality; NaN where it takes none."""
    return torch.where(mask, values, 0.0).sum(0) / mask.sum(0)


def mean_squared_error(
    prediction: Float[Tensor, "batch modality y x"], target: Float[Tensor, "batch modality y x"]
) -> Float[Tensor, "batch modality"]:
    """Per slice and modality, over the pixels, in single precision."""
    return (prediction.float() - target.float()).square().mean((2, 3))


def slice_psnr(
    prediction: Float[Tensor, "batch modality y x"],
    target: Float[Tensor, "batch modality y x"],
    missing: Bool[Tensor, "batch modality"],
) -> Float[Tensor, ""]:
    """Mean PSNR in dB over the missing slices of a batch, prediction clamped to [0, 1], data range 1."""
    errors = mean_squared_error(prediction.clamp(0.0, 1.0), target)
    return (-10.0 * torch.log10(errors.clamp(min=1e-10)))[missing].mean()


class ImputationTraining(ScheduledTraining):
    """Base of the trainings on complete stacks with modalities hidden at random.

    Args:
        n_modalities: Contrasts in the stack.
        optimisation: Schedule and seed.
    """

    def __init__(self, n_modalities: int, optimisation: OptimisationParameters) -> None:
        super().__init__(optimisation)
        self.n_modalities = n_modalities

    def draw_available(self, images: Float[Tensor, "batch modality y x"]) -> Bool[Tensor, "batch modality"]:
        """One subset per sample; depends on seed, step and rank alone, so that a resumed run draws the same."""
        generator = torch.Generator().manual_seed(
            (self.optimisation.seed * 1_000_003 + self.global_step) * 1_009 + self.global_rank
        )
        return draw_subsets(len(images), self.n_modalities, generator).to(images.device)

    def validation_available(self, images: Float[Tensor, "batch modality y x"]) -> Bool[Tensor, "batch modality"]:
        """All subsets in turn, the same in every validation."""
        subsets = all_subsets(self.n_modalities).to(images.device)
        return subsets[torch.arange(len(images), device=images.device) % len(subsets)]
