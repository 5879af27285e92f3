"""NeuroQuant's training (arXiv 2604.05171): reconstruct, swap contrasts, and hide the modality from the anatomy."""

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from mrisynth_pipeline.models.blocks.modality_adversary import ModalityAdversary, reverse_gradient
from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder
from mrisynth_pipeline.sampling.planes import Plane, draw_slices
from mrisynth_pipeline.training.volumetric_autoencoding import (
    VolumetricAutoencoding,
    VolumetricParameters,
    cropped,
    everywhere,
    foreground_error,
    mean_psnr,
    modalities_of,
)


class AnatomicalParameters(VolumetricParameters):
    """Training of NeuroQuant's autoencoder; losses are the paper's.

    Points in time are shares of all steps, so that short trainings see every term; at the default 100 000 steps they
    are the release's. A patch as large as the grid trains on whole volumes.
    """

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


class AnatomicalAutoencoding(VolumetricAutoencoding):
    """Trains a :class:`NeuroQuantAutoencoder` on subjects with any two or more modalities.

    Args:
        autoencoder: The network.
        parameters: Losses and schedule.
    """

    autoencoder: NeuroQuantAutoencoder
    settings: AnatomicalParameters

    def __init__(self, autoencoder: NeuroQuantAutoencoder, parameters: AnatomicalParameters) -> None:
        super().__init__(autoencoder, parameters)
        channels, n = autoencoder.architecture.anatomical_channels, len(autoencoder.modalities)
        self.adversary = ModalityAdversary(channels, n) if parameters.adversary_weight else None

    def setup(self, stage: str) -> None:
        """Share one codebook among the processes of a distributed training."""
        if self.trainer.world_size > 1:
            self.autoencoder.codes.synchronise()

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

    def losses(
        self, images: Float[Tensor, "pairs 1 z y x"], modality: Int[Tensor, " pairs"], generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """All losses of pairs of volumes, and at times those of some of their slices."""
        p = self.settings
        loss = self._losses(images, modality, flat=False)
        # All processes or none: passes through a shared codebook meet in each.
        if torch.rand((), generator=self.step_generator(shared=True)) < p.slice_probability:
            slices = draw_slices(images, p.slices, p.slice_plane, generator)
            loss = loss + p.slice_weight * self._losses(slices, modality.repeat_interleave(p.slices), flat=True)
        return loss

    def _losses(
        self, images: Float[Tensor, "pairs 1 z y x"], modality: Int[Tensor, " pairs"], flat: bool
    ) -> Float[Tensor, ""]:
        """Sum of the weighted losses; the second half of the images are the partners of the first half."""
        p, kind = self.settings, "slices" if flat else "volumes"
        anatomy, styles = self.autoencoder.encode(images, flat)
        codes = self.autoencoder.quantise(anatomy)
        made = self.autoencoder.decode(codes.values, styles, modality, flat)
        loss = self.reconstruction_loss(made, images, codes, kind)
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

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """PSNR and SSIM per modality, that of swapped pairs, and the codes' use."""
        images, present = batch["images"], batch["present"]
        encoded: dict[int, tuple[Tensor, Tensor, Tensor]] = {}  # per modality: samples that have it, codes, styles
        for m, have in modalities_of(present):
            truth = images[have, m : m + 1]
            anatomy, styles = self.autoencoder.encode(self.fitted(truth))
            codes = self.autoencoder.quantise(anatomy, learn=False)
            made = self.autoencoder.decode(codes.values, styles, everywhere(m, truth))
            self.log_reconstruction(m, made, codes, truth)
            encoded[m] = (have, codes.values, styles)
        for m, (have, _, styles) in encoded.items():  # the anatomy of the next modality that the samples have too
            for row, sample in enumerate(have.tolist()):
                others = [k for k in (*range(m + 1, self.n_modalities), *range(m)) if present[sample, k]]
                if not others:
                    continue
                there, values, _ = encoded[others[0]]
                anatomy = values[(there == sample).nonzero()[:, 0]]
                made = self.autoencoder.decode(anatomy, styles[row : row + 1], everywhere(m, anatomy))
                score = mean_psnr(cropped(made, images), images[sample, m][None, None])
                self.log("val_psnr_swap", score, batch_size=1)
