"""Learning to give back single 3D images through codes: what NeuroQuant and MONAI's VQ-VAE are trained with alike."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from mrisynth_pipeline.metrics.similarity import ssim_map
from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.models.image_autoencoder import Codes, ImageAutoencoder
from mrisynth_pipeline.sampling.augmentation import MIRRORED_ALONE, AugmentationParameters
from mrisynth_pipeline.sampling.availability import draw_pairs
from mrisynth_pipeline.sampling.patches import PatchParameters
from mrisynth_pipeline.training.code_use import CodeUse, codes_drawn_from
from mrisynth_pipeline.training.imputation import ImputationTraining, mean_squared_error
from mrisynth_pipeline.training.parameters import OptimisationParameters
from mrisynth_pipeline.training.similarity_loss import dissimilarity


class VolumetricParameters(PatchParameters):
    """Schedule, samples and reconstruction losses of NeuroQuant's Stage I."""

    optimisation: OptimisationParameters = OptimisationParameters(
        steps=100_000,
        batch_size=4,
        learning_rate=4.5e-5,
        final_learning_rate=0.0,
        warmup_steps=2_000,
        betas=(0.9, 0.999),
        weight_decay=0.01,
        gradient_clip=1.0,
        precision="bf16-mixed",
    )
    """Schedule; a sample is a pair of modalities of one subject, drawn anew in every step."""
    augmentation: AugmentationParameters = MIRRORED_ALONE
    """Transforms of the training samples; patches take the flips alone."""
    patch_size: tuple[int, int, int] = (144, 192, 144)
    """Training patch (x, y, z) in voxels; cut to the model grid where that is smaller."""
    gamma_spread: float = Field(0.0, ge=0)
    """Ours: every image is raised to a power whose logarithm has this standard deviation, so that a network that saw
    few subjects has met more contrasts than theirs."""
    gain_spread: float = Field(0.0, ge=0)
    """Ours, likewise: every image is multiplied by a number whose logarithm has this standard deviation; what exceeds
    1 is cut."""
    foreground_weight: float = Field(5.0, gt=0)
    """Weight of a voxel that is not 0, against 1 of the background, in every absolute error."""
    similarity_weight: float = Field(0.5, ge=0)
    """Weight of 1 − SSIM (window of 7 voxels)."""


def foreground_error(
    prediction: Float[Tensor, "batch 1 *spatial"], target: Float[Tensor, "batch 1 *spatial"], weight: float
) -> Float[Tensor, ""]:
    """Weighted mean absolute error; voxels whose target is not 0 weigh ``weight``, the others 1.

    In units of images that reach from −1 to 1, for which the paper's weights of the losses are meant.
    """
    weights = torch.where(target > 0, weight, 1.0)
    return 2 * ((prediction.float() - target).abs() * weights).sum() / weights.sum()


def mean_psnr(made: Float[Tensor, "batch 1 z y x"], truth: Float[Tensor, "batch 1 z y x"]) -> Float[Tensor, ""]:
    """Mean over images of the PSNR in dB, prediction clamped to [0, 1], data range 1."""
    errors = mean_squared_error(made.clamp(0.0, 1.0), truth)
    return (-10.0 * torch.log10(errors.clamp(min=1e-10))).mean()


class VolumetricAutoencoding(ImputationTraining):
    """Trains an autoencoder of single images on pairs of modalities, each image by itself.

    A batch holds ``images [batch, modality, z, y, x]`` in [0, 1] and ``present [batch, modality]``, at least two of
    each; what is not present is never looked at.

    Args:
        autoencoder: The network.
        parameters: Losses and schedule.
    """

    def __init__(self, autoencoder: ImageAutoencoder, parameters: VolumetricParameters) -> None:
        super().__init__(len(autoencoder.modalities), parameters.optimisation)
        self.autoencoder, self.settings = autoencoder, parameters
        self._use = CodeUse(autoencoder.codebook_size)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine, stepped after every batch."""
        return self.adamw_each_step(list(self.parameters()))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Float[Tensor, ""]:
        """All losses of one batch of pairs."""
        generator = self.step_generator()
        with codes_drawn_from(generator, self.device):
            first, second = draw_pairs(batch["present"], generator).to(self.device).unbind(1)
            modality = torch.cat([first, second])
            rows = torch.arange(len(first), device=self.device).repeat(2)
            images = self.fitted(self._varied(batch["images"][rows, modality][:, None], generator))
            loss = self.losses(images, modality, generator)
        self.log("train_loss", loss.detach(), prog_bar=True)
        return loss

    def _varied(
        self, images: Float[Tensor, "pairs 1 z y x"], generator: torch.Generator
    ) -> Float[Tensor, "pairs 1 z y x"]:
        """Images of other contrast, each by a power and a factor of its own; 0 stays."""
        p = self.settings
        if not (p.gamma_spread or p.gain_spread):
            return images
        spreads = torch.tensor([[p.gamma_spread], [p.gain_spread]])
        factors = (spreads * torch.randn(2, len(images), generator=generator)).exp().to(images.device)
        powers, gains = factors[..., None, None, None, None]
        return (gains * images**powers).clamp(max=1.0)

    def losses(
        self, images: Float[Tensor, "pairs 1 z y x"], modality: Int[Tensor, " pairs"], generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Sum of the weighted losses; the second half of the images are the partners of the first half."""
        made, codes = self.autoencoder(images, modality)
        return self.reconstruction_loss(made, images, codes, "volumes")

    def reconstruction_loss(
        self, made: Float[Tensor, "pairs 1 z y x"], images: Float[Tensor, "pairs 1 z y x"], codes: Codes, kind: str
    ) -> Float[Tensor, ""]:
        """Foreground error, dissimilarity and commitment, logged as those of ``volumes`` or ``slices``."""
        p = self.settings
        error = foreground_error(made, images, p.foreground_weight)
        loss = error + codes.loss
        if p.similarity_weight:
            loss = loss + p.similarity_weight * dissimilarity(made, images)
        self.log(f"train_{kind}_error", error.detach())
        self.log(f"train_{kind}_commitment", codes.loss.detach())
        if kind == "volumes":
            self.log("train_psnr", mean_psnr(made.detach(), images), prog_bar=True)
        return loss

    def fitted(self, images: Float[Tensor, "batch 1 z y x"]) -> Float[Tensor, "batch 1 d h w"]:
        """Images of a size that the network can halve."""
        return padded(images, self.autoencoder.architecture.reduction)

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality z y x"]:
        """Reconstructions of a batch, for an early look."""
        images = batch["images"]
        return self.autoencoder.reconstruct(images, torch.ones_like(images[:, :, 0, 0, 0], dtype=torch.bool))

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """PSNR and SSIM per modality, and the codes' use."""
        for m, have in modalities_of(batch["present"]):
            truth = batch["images"][have, m : m + 1]
            self.log_reconstruction(m, *self.autoencoder(self.fitted(truth), everywhere(m, truth)), truth)

    def log_reconstruction(
        self, modality: int, made: Float[Tensor, "batch 1 d h w"], codes: Codes, truth: Float[Tensor, "batch 1 z y x"]
    ) -> None:
        """Log the scores of images of one modality, and count their codes."""
        made = cropped(made, truth).float().clamp(0, 1)
        psnr = mean_psnr(made, truth)
        ssim = ssim_map(made, truth.float(), 3).mean().float()
        for name, value in (("psnr", psnr), ("ssim", ssim)):
            self.log(f"val_{name}_{self.autoencoder.modalities[modality]}", value, batch_size=len(made))
            self.log(f"val_{name}", value, batch_size=len(made), prog_bar=True)
        if codes.indices is not None:
            self._use.add(codes.indices)

    def on_validation_epoch_end(self) -> None:
        """Perplexity and share of the codebook in use, over the validation patches."""
        for name, value in self._use.take().items():
            self.log(f"val_{name}", value)


def modalities_of(present: Bool[Tensor, "batch modality"]) -> Iterator[tuple[int, Int[Tensor, " have"]]]:
    """Every modality (index) that a sample of the batch has, with the samples that have it."""
    for m in present.any(0).nonzero()[:, 0].tolist():
        yield m, present[:, m].nonzero()[:, 0]


def everywhere(modality: int, images: Tensor) -> Int[Tensor, " batch"]:
    """The index of one modality for every image."""
    return torch.full((len(images),), modality, device=images.device)


def cropped(
    images: Float[Tensor, "batch 1 d h w"], as_large_as: Float[Tensor, "*any z y x"]
) -> Float[Tensor, "batch 1 z y x"]:
    """What is left of images once their padding is taken off."""
    return images[(..., *(slice(n) for n in as_large_as.shape[-3:]))]
