"""Stage I of CodeBrain: learn codes that, with the available slices, rebuild the whole stack (section 3.1)."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.models.codebrain import CodeBrainAutoencoder
from mrisynth_pipeline.sampling.slices import SliceParameters
from mrisynth_pipeline.training.adversarial import AdversarialTraining, Exhibit
from mrisynth_pipeline.training.code_use import CodeUse, codes_drawn_from
from mrisynth_pipeline.training.imputation import image_psnr, on_voxels, reconstruction_loss, zero_filled
from mrisynth_pipeline.training.parameters import OptimisationParameters


class AutoencodingParameters(SliceParameters):
    """Stage I (``params:codebrain.stage1``); the defaults are those of the published run."""

    optimisation: OptimisationParameters = OptimisationParameters()
    """Schedule of the autoencoder."""
    incomplete: bool = False
    """Whether subjects that lack contrasts are trained on too, if they have two: an absent one is zero wherever it goes
    in, is never among the available, and no loss asks for it."""
    reconstruction_loss: Literal["psnr", "l1"] = "psnr"
    """``psnr``: 10·log10 of the mean squared error; ``l1``: mean absolute error (ablation)."""
    missing_weight: float = Field(20.0, ge=0)
    """Weight of the reconstruction of the hidden modalities."""
    available_weight: float = Field(5.0, ge=0)
    """Weight of the reconstruction of the available modalities."""
    commitment_weight: float = Field(20.0, ge=0)
    """Weight of the mean squared distance of the features from their codes (``quantiser`` vq alone; ours)."""
    adversarial_weight: float = Field(0.1, ge=0)
    """Weight of the generator's least-squares GAN loss; 0 trains without a discriminator."""
    adversarial_start: float = Field(0.2, ge=0, le=1)
    """Share of the steps after which the GAN loss reaches the autoencoder; the discriminator learns from the start."""
    discriminator_width: int = Field(64, ge=1)
    """Channels of the discriminator's first convolution."""
    discriminator_learning_rate: float = Field(5e-5, gt=0)
    """Constant learning rate of the discriminator (AdamW, betas 0.5 and 0.9)."""


class Autoencoding(AdversarialTraining):
    """Trains a :class:`CodeBrainAutoencoder` with a reconstruction and a least-squares GAN loss.

    Args:
        autoencoder: The network.
        n_modalities: Contrasts in the stack.
        parameters: Losses and schedule.
    """

    def __init__(
        self, autoencoder: CodeBrainAutoencoder, n_modalities: int, parameters: AutoencodingParameters
    ) -> None:
        p = parameters
        discriminator = (
            PatchDiscriminator(2 * n_modalities, n_modalities, p.discriminator_width) if p.adversarial_weight else None
        )
        super().__init__(n_modalities, p.optimisation, discriminator, p.adversarial_weight, p.adversarial_start)
        self.parameters_of_stage = parameters
        self.autoencoder = autoencoder
        self._use = CodeUse(autoencoder.codes.codebook_size)

    def setup(self, stage: str) -> None:
        """Share one codebook among the processes of a distributed training."""
        if self.autoencoder.architecture.vector_codes and self.trainer.world_size > 1:
            self.autoencoder.codes.vectors.synchronise()

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine for the autoencoder, AdamW at a constant rate for the discriminator."""
        rate = self.parameters_of_stage.discriminator_learning_rate
        return self.optimisers_of(self.autoencoder, lambda weights: torch.optim.AdamW(weights, rate, betas=(0.5, 0.9)))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the autoencoder, then one of the discriminator on the same prediction."""
        p, (images, present) = self.parameters_of_stage, self.stack(batch)
        generator = self.step_generator()
        available = self.draw_available(images, generator, present)
        missing = ~available & present
        with codes_drawn_from(generator, self.device):
            prediction, commitment = self.autoencoder.learn(images, available)
        loss = p.missing_weight * reconstruction_loss(prediction, images, missing, p.reconstruction_loss)
        loss = loss + p.available_weight * reconstruction_loss(prediction, images, available, p.reconstruction_loss)
        if self.autoencoder.architecture.vector_codes:
            loss = loss + p.commitment_weight * commitment
            self.log("train_commitment", commitment.detach())
        made = zero_filled(torch.where(on_voxels(available, images), images, prediction), present)
        # All maps of what there is count: the discriminator also learns that what was available is real. What is absent
        # is zero in the made stack as in the real one: nobody can say whether it is well made.
        exhibit = Exhibit(made, images, condition=images, available=available, judged=present)
        self.step_in_turn(loss, exhibit)
        self.log("train_psnr_missing", image_psnr(prediction.detach(), images, missing), prog_bar=True)

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality y x"]:
        """Reconstructions of a batch under the validation subsets, for an early look."""
        images, present = self.stack(batch)
        return self.autoencoder(images, self.validation_available(images, present))[0]

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """PSNR of hidden modalities through the true codes, and the codes' use."""
        images, present = self.stack(batch)
        available = self.validation_available(images, present)
        prediction, values = self.autoencoder(images, available)
        self.log(
            "val_psnr_missing",
            image_psnr(prediction, images, ~available & present),
            prog_bar=True,
            batch_size=len(images),
        )
        if self.autoencoder.codes.quantise:
            codes = self.autoencoder.codes
            self._use.add(codes.to_indices(codes.to_levels(values)))

    def on_validation_epoch_end(self) -> None:
        """Perplexity (effective number of codes) and share of the codebook in use, over the validation slices."""
        for name, value in self._use.take().items():
            self.log(f"val_{name}", value)
