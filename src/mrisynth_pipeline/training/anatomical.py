"""NeuroQuant's training (arXiv 2604.05171): reconstruct, swap contrasts, and hide the modality from the anatomy."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from mrisynth_pipeline.metrics.similarity import ssim_map
from mrisynth_pipeline.models.blocks.modality_adversary import ModalityAdversary, reverse_gradient
from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder
from mrisynth_pipeline.sampling.augmentation import MIRRORED_ALONE, AugmentationParameters
from mrisynth_pipeline.sampling.availability import draw_pairs
from mrisynth_pipeline.sampling.patches import PatchParameters
from mrisynth_pipeline.sampling.planes import Plane, draw_slices
from mrisynth_pipeline.training.code_use import CodeUse
from mrisynth_pipeline.training.imputation import ImputationTraining, mean_squared_error
from mrisynth_pipeline.training.parameters import OptimisationParameters
from mrisynth_pipeline.training.similarity_loss import dissimilarity


class AnatomicalParameters(PatchParameters):
    """Training of NeuroQuant's autoencoder; losses are the paper's.

    Points in time are shares of all steps, so that short trainings see every term; at the default 100 000 steps they
    are the release's. A patch as large as the grid trains on whole volumes.
    """

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
    foreground_weight: float = Field(5.0, gt=0)
    """Weight of a voxel that is not 0, against 1 of the background, in every absolute error."""
    similarity_weight: float = Field(0.5, ge=0)
    """Weight of 1 − SSIM (window of 7 voxels)."""
    swap_weight: float = Field(0.5, ge=0)
    """Weight of the error after exchanging the styles of a pair, once it is fully there."""
    swap_start: float = Field(0.02, ge=0, le=1)
    """Share of the steps after which it comes in."""
    swap_ramp: float = Field(0.02, ge=0, le=1)
    """Share of the steps over which it grows to its full weight."""
    adversary_weight: float = Field(0.001, ge=0)
    """How strongly the anatomy hides its modality from the adversary; 0 trains without one."""
    adversary_start: float = Field(0.05, ge=0, le=1)
    """Share of the steps after which the anatomy hides; the adversary learns from the first on."""
    slice_probability: float = Field(0.3, ge=0, le=1)
    """Probability that a step also learns from slices, through the same weights."""
    slice_weight: float = Field(0.5, ge=0)
    """Weight of all losses of the slices."""
    slices: int = Field(8, ge=1)
    """Slices of each pair in such a step, drawn anywhere in the patch."""
    slice_plane: Plane = "axial"
    """Their plane."""


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


class AnatomicalAutoencoding(ImputationTraining):
    """Trains a :class:`NeuroQuantAutoencoder` on subjects with any two or more modalities.

    A batch holds ``images [batch, modality, z, y, x]`` in [0, 1] and ``present [batch, modality]``; what is not present
    is never looked at.

    Args:
        autoencoder: The network.
        parameters: Losses and schedule.
    """

    def __init__(self, autoencoder: NeuroQuantAutoencoder, parameters: AnatomicalParameters) -> None:
        n, architecture = len(autoencoder.modalities), autoencoder.architecture
        super().__init__(n, parameters.optimisation)
        self.autoencoder, self.settings = autoencoder, parameters
        self.adversary = ModalityAdversary(architecture.anatomical_channels, n) if parameters.adversary_weight else None
        self._use = CodeUse(architecture.codebook_size)

    def setup(self, stage: str) -> None:
        """Share one codebook among the processes of a distributed training."""
        if self.trainer.world_size > 1:
            self.autoencoder.codes.synchronise()

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine for autoencoder and adversary, stepped after every batch."""
        return self.adamw_each_step(list(self.parameters()))

    def share_of_steps(self) -> float:
        """How much of the training is over."""
        return self.global_step / self.optimisation.steps

    def swap_weight(self) -> float:
        """The weight of the swap in this step."""
        p = self.settings
        since = self.share_of_steps() - p.swap_start
        if since < 0:
            return 0.0
        return p.swap_weight * (min(since / p.swap_ramp, 1.0) if p.swap_ramp else 1.0)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Float[Tensor, ""]:
        """All losses of one batch of pairs, and at times those of some of its slices."""
        p, generator = self.settings, self.step_generator()
        with self._codes_drawn_from(generator):
            first, second = draw_pairs(batch["present"], generator).to(self.device).unbind(1)
            modality = torch.cat([first, second])
            rows = torch.arange(len(first), device=self.device).repeat(2)
            images = padded(batch["images"][rows, modality][:, None], self.autoencoder.architecture.reduction)
            loss = self._losses(images, modality, flat=False)
            # All processes or none: passes through a shared codebook meet in each.
            if torch.rand((), generator=self.step_generator(shared=True)) < p.slice_probability:
                slices = draw_slices(images, p.slices, p.slice_plane, generator)
                loss = loss + p.slice_weight * self._losses(slices, modality.repeat_interleave(p.slices), flat=True)
        self.log("train_loss", loss.detach(), prog_bar=True)
        return loss

    @contextlib.contextmanager
    def _codes_drawn_from(self, generator: torch.Generator) -> Iterator[None]:
        """Let what the codebook draws (its start, replaced codes) depend on the step too, so that runs can resume."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            yield

    def _losses(
        self, images: Float[Tensor, "pairs 1 z y x"], modality: Int[Tensor, " pairs"], flat: bool
    ) -> Float[Tensor, ""]:
        """Sum of the weighted losses; the second half of the images are the partners of the first half."""
        p, kind = self.settings, "slices" if flat else "volumes"
        anatomy, styles = self.autoencoder.encode(images, flat)
        codes = self.autoencoder.quantise(anatomy)
        made = self.autoencoder.decode(codes.values, styles, modality, flat)
        error = foreground_error(made, images, p.foreground_weight)
        loss = error + codes.loss
        if p.similarity_weight:
            loss = loss + p.similarity_weight * dissimilarity(made, images)
        self.log(f"train_{kind}_error", error.detach())
        self.log(f"train_{kind}_commitment", codes.loss.detach())
        if not flat:
            self.log("train_psnr", mean_psnr(made.detach(), images), prog_bar=True)
        if swap := self.swap_weight():
            partner = codes.values.roll(len(images) // 2, 0)
            swapped = foreground_error(
                self.autoencoder.decode(partner, styles, modality, flat), images, p.foreground_weight
            )
            loss = loss + swap * swapped
            self.log(f"train_{kind}_swap_error", swapped.detach())
        if self.adversary is not None:
            strength = p.adversary_weight if self.share_of_steps() >= p.adversary_start else 0.0
            logits = self.adversary(reverse_gradient(anatomy, strength)).float()
            truth = modality[:, None, None, None].expand(len(logits), *logits.shape[2:])
            loss = loss + F.cross_entropy(logits, truth)
            self.log(f"train_{kind}_adversary_accuracy", (logits.argmax(1) == truth).float().mean())
        return loss

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality z y x"]:
        """Reconstructions of a batch, for an early look."""
        images = batch["images"]
        return self.autoencoder.reconstruct(images, torch.ones_like(images[:, :, 0, 0, 0], dtype=torch.bool))

    def _all(self, modality: int, images: Tensor) -> Int[Tensor, " batch"]:
        return torch.full((len(images),), modality, device=images.device)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """PSNR and SSIM per modality, that of swapped pairs, and the codes' use."""
        images, present = batch["images"], batch["present"]
        crop = (..., *(slice(n) for n in images.shape[2:]))
        encoded: dict[int, tuple[Tensor, Tensor, Tensor]] = {}  # per modality: samples that have it, codes, styles
        for m in present.any(0).nonzero()[:, 0].tolist():
            have = present[:, m].nonzero()[:, 0]
            alone = padded(images[have, m : m + 1], self.autoencoder.architecture.reduction)
            anatomy, styles = self.autoencoder.encode(alone)
            codes = self.autoencoder.quantise(anatomy, learn=False)
            made = self.autoencoder.decode(codes.values, styles, self._all(m, alone))[crop].float().clamp(0, 1)
            truth, name = images[have, m : m + 1], self.autoencoder.modalities[m]
            self._log_scores(name, made, truth)
            if codes.indices is not None:
                self._use.add(codes.indices)
            encoded[m] = (have, codes.values, styles)
        for m, (have, _, styles) in encoded.items():  # the anatomy of the next modality that the samples have too
            for row, sample in enumerate(have.tolist()):
                others = [k for k in (*range(m + 1, self.n_modalities), *range(m)) if present[sample, k]]
                if not others:
                    continue
                there, values, _ = encoded[others[0]]
                anatomy = values[(there == sample).nonzero()[:, 0]]
                made = self.autoencoder.decode(anatomy, styles[row : row + 1], self._all(m, anatomy))[crop]
                score = mean_psnr(made, images[sample, m][None, None])
                self.log("val_psnr_swap", score, batch_size=1)

    def _log_scores(self, modality: str, made: Tensor, truth: Tensor) -> None:
        psnr = mean_psnr(made, truth)
        ssim = ssim_map(made, truth.float(), 3).mean().float()
        for name, value in (("psnr", psnr), ("ssim", ssim)):
            self.log(f"val_{name}_{modality}", value, batch_size=len(made))
            self.log(f"val_{name}", value, batch_size=len(made), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Perplexity and share of the codebook in use, over the validation patches."""
        for name, value in self._use.take().items():
            self.log(f"val_{name}", value)
