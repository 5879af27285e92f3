"""What trainings with a discriminator share: the least-squares GAN losses, and steps of the two networks in turn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.training.imputation import ImputationTraining, on_voxels
from mrisynth_pipeline.training.parameters import OptimisationParameters


@dataclass(frozen=True)
class Exhibit:
    """A batch as the discriminator gets it."""

    made: Float[Tensor, "batch modality *spatial"]
    """The stack as a user would get it: what was available stays as it came."""
    real: Float[Tensor, "batch modality *spatial"]
    """The stack that ``made`` pretends to be."""
    condition: Float[Tensor, "batch modality *spatial"]
    """What the discriminator is told beside either."""
    available: Bool[Tensor, "batch modality"]
    """Which modalities of ``made`` are real after all."""
    judged: Bool[Tensor, "batch modality"]
    """Whose realness maps count."""


def least_squares(
    scores: Float[Tensor, "batch modality *patch"],
    label: Float[Tensor, "batch modality"],
    judged: Bool[Tensor, "batch modality"],
) -> Float[Tensor, ""]:
    """Mean squared difference between realness maps and their labels (1 real, 0 made), over the judged maps."""
    labels = on_voxels(label, scores).expand_as(scores)
    return F.mse_loss(scores.float()[judged], labels[judged])


def deceiving_loss(discriminator: PatchDiscriminator, exhibit: Exhibit) -> Float[Tensor, ""]:
    """The network's loss: how far what it made is from being taken for real. The discriminator gets no gradient."""
    discriminator.requires_grad_(False)
    scores = discriminator(torch.cat([exhibit.made, exhibit.condition], 1))
    discriminator.requires_grad_(True)
    return least_squares(scores, torch.ones_like(exhibit.available, dtype=torch.float), exhibit.judged)


def judging_loss(discriminator: PatchDiscriminator, exhibit: Exhibit) -> Float[Tensor, ""]:
    """The discriminator's loss: half for the real stacks, half for the made ones. The network gets no gradient."""
    real = discriminator(torch.cat([exhibit.real, exhibit.condition], 1))
    made = discriminator(torch.cat([exhibit.made.detach(), exhibit.condition], 1))
    all_real = torch.ones_like(exhibit.available, dtype=torch.float)
    return 0.5 * (
        least_squares(real, all_real, exhibit.judged) + least_squares(made, exhibit.available.float(), exhibit.judged)
    )


class AdversarialTraining(ImputationTraining):
    """Base of the trainings whose images a conditional PatchGAN may judge; two optimisers, stepped by hand.

    Args:
        n_modalities: Contrasts in the stack.
        optimisation: Schedule of the network.
        discriminator: Judge of stacks and their condition, or ``None`` to train without one.
        weight: Weight of :func:`deceiving_loss`.
        start: Share of the steps after which it reaches the network; the discriminator learns from the first on.
    """

    def __init__(
        self,
        n_modalities: int,
        optimisation: OptimisationParameters,
        discriminator: PatchDiscriminator | None,
        weight: float,
        start: float = 0.0,
    ) -> None:
        super().__init__(n_modalities, optimisation)
        self.automatic_optimization = False  # two optimisers
        self.discriminator = discriminator
        self.adversarial_weight, self.adversarial_start = weight, start

    def optimisers_of(
        self, network: torch.nn.Module, critic: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]
    ) -> Any:
        """AdamW with a cosine for the network and, where there is a discriminator, ``critic`` of its weights."""
        optimiser, schedule = self.adamw(list(network.parameters()))
        if self.discriminator is None:
            return [optimiser], [schedule]
        return [optimiser, critic(list(self.discriminator.parameters()))], [schedule]

    def step_in_turn(self, loss: Float[Tensor, ""], exhibit: Exhibit) -> None:
        """One step of the network on a loss and the GAN's, then one of the discriminator on the same images.

        Args:
            loss: What the network learns beside deceiving the discriminator.
            exhibit: The batch.

        Raises:
            InputError: If the images are too small for the discriminator.
        """
        optimisers = self.optimizers()
        optimiser = optimisers[0] if isinstance(optimisers, list) else optimisers
        if self.discriminator is not None:
            _check_size(exhibit.made)
            if self.global_step >= self.adversarial_start * self.optimisation.steps:
                loss = loss + self.adversarial_weight * deceiving_loss(self.discriminator, exhibit)
        optimiser.zero_grad()
        self.manual_backward(loss)
        if self.optimisation.gradient_clip:
            self.clip_gradients(optimiser, self.optimisation.gradient_clip, "norm")
        optimiser.step()
        self.lr_schedulers().step()
        if self.discriminator is not None:
            critic = optimisers[1].optimizer  # the bare one, so that Lightning's step count is that of the network
            judgement = judging_loss(self.discriminator, exhibit)
            critic.zero_grad()
            self.manual_backward(judgement)
            critic.step()
            self.log("train_discriminator_loss", judgement.detach())
        self.log("train_loss", loss.detach(), prog_bar=True)


def _check_size(images: Float[Tensor, "batch modality *spatial"]) -> None:
    size = images.shape[2:]
    if min(size) < PatchDiscriminator.smallest_image:
        raise InputError(
            "adversarial_weight",
            f"the discriminator judges images of at least {PatchDiscriminator.smallest_image} voxels each way and got "
            f"{'×'.join(map(str, size))}",
            "Enlarge preprocessing.grid (3D: and patch_size), or set adversarial_weight to 0",
        )
