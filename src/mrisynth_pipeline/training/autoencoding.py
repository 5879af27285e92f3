"""Stage I of CodeBrain: learn codes that, with the available slices, rebuild the whole stack (section 3.1)."""

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.models.codebrain import CodeBrainAutoencoder
from mrisynth_pipeline.sampling.slices import SliceParameters
from mrisynth_pipeline.training.imputation import (
    ImputationTraining,
    masked_mean,
    mean_squared_error,
    slice_psnr,
)
from mrisynth_pipeline.training.parameters import OptimisationParameters


class AutoencodingParameters(SliceParameters):
    """Stage I (``params:codebrain.stage1``); the defaults are those of the published run."""

    optimisation: OptimisationParameters = OptimisationParameters()
    """Schedule of the autoencoder."""
    reconstruction_loss: Literal["psnr", "l1"] = "psnr"
    """``psnr``: 10·log10 of the mean squared error; ``l1``: mean absolute error (ablation)."""
    missing_weight: float = Field(20.0, ge=0)
    """Weight of the reconstruction of the hidden modalities."""
    available_weight: float = Field(5.0, ge=0)
    """Weight of the reconstruction of the available modalities."""
    adversarial_weight: float = Field(0.1, ge=0)
    """Weight of the generator's least-squares GAN loss; 0 trains without a discriminator."""
    adversarial_start: float = Field(0.2, ge=0, le=1)
    """Share of the steps after which the GAN loss reaches the autoencoder; the discriminator learns from the start."""
    discriminator_width: int = Field(64, ge=1)
    """Channels of the discriminator's first convolution."""
    discriminator_learning_rate: float = Field(5e-5, gt=0)
    """Constant learning rate of the discriminator (AdamW, betas 0.5 and 0.9)."""


def reconstruction_loss(
    prediction: Float[Tensor, "batch modality y x"],
    target: Float[Tensor, "batch modality y x"],
    mask: Bool[Tensor, "batch modality"],
    kind: Literal["psnr", "l1"],
) -> Float[Tensor, ""]:
    """Reconstruction loss of the slices that the mask takes: per modality over batch and pixels, then their mean.

    ``psnr`` is 10·log10(MSE + 1e-8), the negative PSNR in dB for data of range 1. Modalities that the mask takes from
    no sample do not count.
    """
    if kind == "psnr":
        per_modality = 10.0 * torch.log10(masked_mean(mean_squared_error(prediction, target), mask) + 1e-8)
    else:
        per_modality = masked_mean((prediction.float() - target.float()).abs().mean((2, 3)), mask)
    return per_modality[mask.any(0)].mean()


class Autoencoding(ImputationTraining):
    """Trains a :class:`CodeBrainAutoencoder` with a reconstruction and a least-squares GAN loss.

    Args:
        autoencoder: The network.
        n_modalities: Contrasts in the stack.
        parameters: Losses and schedule.
    """

    def __init__(
        self, autoencoder: CodeBrainAutoencoder, n_modalities: int, parameters: AutoencodingParameters
    ) -> None:
        super().__init__(n_modalities, parameters.optimisation)
        self.automatic_optimization = False  # two optimisers
        self.parameters_of_stage = parameters
        self.autoencoder = autoencoder
        self.discriminator = (
            PatchDiscriminator(2 * n_modalities, n_modalities, parameters.discriminator_width)
            if parameters.adversarial_weight
            else None
        )
        self._code_counts: Tensor | None = None

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine for the autoencoder, AdamW at a constant rate for the discriminator."""
        optimiser, schedule = self.adamw(list(self.autoencoder.parameters()))
        if self.discriminator is None:
            return [optimiser], [schedule]
        critic = torch.optim.AdamW(
            self.discriminator.parameters(),
            self.parameters_of_stage.discriminator_learning_rate,
            betas=(0.5, 0.9),
        )
        return [optimiser, critic], [schedule]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the autoencoder, then one of the discriminator on the same prediction."""
        p, images = self.parameters_of_stage, batch["images"]
        available = self.draw_available(images)
        optimisers = self.optimizers()
        optimiser = optimisers[0] if isinstance(optimisers, list) else optimisers

        prediction, _ = self.autoencoder(images, available)
        loss = p.missing_weight * reconstruction_loss(prediction, images, ~available, p.reconstruction_loss)
        loss = loss + p.available_weight * reconstruction_loss(prediction, images, available, p.reconstruction_loss)
        # The discriminator judges the stack as a user would get it: what was available stays as it came.
        shown = torch.where(available[:, :, None, None], images, prediction)
        if self.discriminator is not None and self.global_step >= p.adversarial_start * self.optimisation.steps:
            self.discriminator.requires_grad_(False)
            scores = self.discriminator(torch.cat([shown, images], 1)).float()
            loss = loss + p.adversarial_weight * F.mse_loss(scores, torch.ones_like(scores))
            self.discriminator.requires_grad_(True)
        optimiser.zero_grad()
        self.manual_backward(loss)
        if self.optimisation.gradient_clip:
            self.clip_gradients(optimiser, self.optimisation.gradient_clip, "norm")
        optimiser.step()
        self.lr_schedulers().step()
        if self.discriminator is not None:
            self._train_discriminator(optimisers[1].optimizer, shown.detach(), images, available)
        self.log("train_loss", loss.detach(), prog_bar=True)
        self.log("train_psnr_missing", slice_psnr(prediction.detach(), images, ~available), prog_bar=True)

    def _train_discriminator(
        self, critic: torch.optim.Optimizer, shown: Tensor, images: Tensor, available: Tensor
    ) -> None:
        # The bare optimiser, so that Lightning's step count is that of the autoencoder.
        real = self.discriminator(torch.cat([images, images], 1)).float()
        fake = self.discriminator(torch.cat([shown, images], 1)).float()
        truth = available[:, :, None, None].float().expand_as(fake)  # an available modality *is* real in the fake stack
        loss = 0.5 * (F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, truth))
        critic.zero_grad()
        self.manual_backward(loss)
        critic.step()
        self.log("train_discriminator_loss", loss.detach())

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality y x"]:
        """Reconstructions of a batch under the validation subsets, for an early look."""
        return self.autoencoder(batch["images"], self.validation_available(batch["images"]))[0]

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """PSNR of hidden modalities through the true codes, and the codes' use."""
        images = batch["images"]
        available = self.validation_available(images)
        prediction, values = self.autoencoder(images, available)
        self.log(
            "val_psnr_missing",
            slice_psnr(prediction, images, ~available),
            prog_bar=True,
            batch_size=len(images),
        )
        if self.autoencoder.codes.quantise:
            codes = self.autoencoder.codes
            indices = codes.to_indices(codes.to_levels(values)).flatten()
            counts = torch.bincount(indices, minlength=codes.codebook_size)
            self._code_counts = counts if self._code_counts is None else self._code_counts + counts

    def on_validation_epoch_end(self) -> None:
        """Perplexity (effective number of codes) and share of the codebook in use, over the validation slices."""
        if self._code_counts is None:
            return
        share = self._code_counts[self._code_counts > 0] / self._code_counts.sum()
        self.log("val_code_perplexity", torch.exp(-(share * share.log()).sum()))
        self.log("val_codes_used", float(len(share)))
        self.log("val_codebook_usage", len(share) / len(self._code_counts))
        self._code_counts = None
