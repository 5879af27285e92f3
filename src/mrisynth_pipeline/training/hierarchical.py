"""Training of MMHVAE (arXiv 2410.19378): several subsets of each study at once, and a GAN for what was not observed."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.models.blocks.gaussian_experts import kl_divergence, product_of_experts
from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.models.mmhvae import MMHVAE, Descent
from mrisynth_pipeline.sampling.augmentation import MIRRORED_ALONE, AugmentationParameters
from mrisynth_pipeline.sampling.availability import draw_inputs
from mrisynth_pipeline.sampling.slices import SliceParameters
from mrisynth_pipeline.sampling.subset_groups import ALL, ANY, check_groups, draw_group
from mrisynth_pipeline.training.image_pool import ImagePool
from mrisynth_pipeline.training.imputation import ImputationTraining, image_psnr, mean_absolute_error, zero_filled
from mrisynth_pipeline.training.parameters import OptimisationParameters


class HierarchicalParameters(SliceParameters):
    """Training of MMHVAE (``params:mmhvae.training``); the defaults are the release's unless said."""

    optimisation: OptimisationParameters = OptimisationParameters(
        batch_size=16, learning_rate=2e-3, final_learning_rate=1e-4, betas=(0.9, 0.999)
    )
    """Schedule of the network (Adamax)."""
    augmentation: AugmentationParameters = MIRRORED_ALONE
    """Transforms of the training slices."""
    subset_groups: tuple[str, ...] = Field((ALL, ANY), min_length=1)
    """Input subsets that each sample is shown as, in the same step: ``all`` it has, ``any`` part of it, or some of
    named contrasts (``us``, ``t2+t1c+flair``). The paper's ultrasound experiment: ``all``, ``us``, ``t2+t1c+flair``."""
    group_weights: tuple[float, ...] | None = None
    """Weight of each group's loss; ``None``: all alike."""
    mean_share: float = Field(0.0, ge=0, le=1)
    """Share of the steps that decode the means of the latents in place of draws (ours), so that what temperature 0
    gives has been trained too."""
    kl_weight: float = Field(0.001, gt=0)
    """Weight of the KL divergence (summed over latents, divided by voxels and modalities) beside the L1 loss."""
    kl_ramp: float = Field(0.05, ge=0, le=1)
    """Share of the steps over which that weight rises from 0."""
    free_bits: float = Field(0.0, ge=0)
    """Nats per latent variable that a level's KL may have for free (Kingma et al., 2016; ours)."""
    balance_levels: bool = False
    """During the ramp, weigh each level's KL by its size times its value, as NVAE does (ours here)."""
    agreement_weight: float = Field(0.0, ge=0)
    """Weight (as ``kl_weight``) of KL(posterior of all modalities ‖ posterior of the subset), level by level at the
    latents drawn from all: it makes the posterior of a subset wide where the rest would have told more (JMVAE, Suzuki
    et al., 2016; in the hierarchy it is ours)."""
    adversarial_weight: float = Field(0.025, ge=0)
    """Weight of the least-squares GAN loss of what was imputed; 0 trains without discriminators."""
    adversarial_start: float = Field(0.8, ge=0, le=1)
    """Share of the steps after which it comes in; the discriminators start a hundredth of the steps earlier."""
    pool: bool = True
    """Whether a modality that a subject lacks is trained too, against real images of other subjects; without, only
    what the subject has can be judged."""
    pool_size: int = Field(64, ge=1)
    """Real images of each modality that are kept for that."""
    discriminator_width: int = Field(64, ge=1)
    """Channels of each discriminator's first convolution."""
    discriminator_learning_rate: float = Field(2e-4, gt=0)
    """Constant learning rate of the discriminators (Adam)."""

    @model_validator(mode="after")
    def _agreement_needs_the_whole(self) -> "HierarchicalParameters":
        if self.agreement_weight and ALL not in self.subset_groups:
            raise ValueError(
                f"agreement_weight={self.agreement_weight} needs {ALL} among the subset_groups: set it to 0"
            )
        return self

    @model_validator(mode="after")
    def _every_group_has_a_weight(self) -> "HierarchicalParameters":
        if self.group_weights is None:
            return self
        if (
            len(self.group_weights) != len(self.subset_groups)
            or min(self.group_weights) < 0
            or not any(self.group_weights)
        ):
            raise ValueError(
                f"group_weights={self.group_weights} must be a weight of 0 or more for each of the "
                f"{len(self.subset_groups)} subset_groups, not all 0"
            )
        return self


class HierarchicalTraining(ImputationTraining):
    """Trains :class:`MMHVAE` on subjects with any non-empty subset of modalities.

    Per step each sample is encoded once; for every group of subsets latents are drawn and decoded. The loss is the mean
    absolute error of the modalities that are there (on [0, 1]: half that on [−1, 1]) plus the closed-form KL of all
    levels, plus, towards the end, a least-squares GAN loss of all modalities that the subset lacks, those included that
    the subject never had.

    Args:
        network: The imputer.
        parameters: Losses and schedule.
        size: Of the slices (y, x).

    Raises:
        ValueError: If a group of subsets names what the study lacks.
    """

    def __init__(self, network: MMHVAE, parameters: HierarchicalParameters, size: tuple[int, int]) -> None:
        n = len(network.modalities)
        super().__init__(n, parameters.optimisation)
        check_groups(parameters.subset_groups, network.modalities)
        self.automatic_optimization = False  # two optimisers
        self.network, self.settings = network, parameters
        weights = parameters.group_weights or (1.0,) * len(parameters.subset_groups)
        self.group_weights = [weight / sum(weights) for weight in weights]
        self.discriminators: nn.ModuleList | None = None
        if parameters.adversarial_weight:
            self.discriminators = nn.ModuleList(
                PatchDiscriminator(1, 1, parameters.discriminator_width) for _ in range(n)
            )
            whole = tuple(length + -length % network.divisor for length in size)
            self.pool = ImagePool(n, parameters.pool_size, whole)
            self.best_from = parameters.adversarial_start
        self.best_metric = "val_psnr_missing"

    def configure_optimizers(self) -> Any:
        """Adamax with a cosine for the network, Adam at a constant rate for the discriminators."""
        o = self.optimisation
        adamax = torch.optim.Adamax(
            self.network.parameters(), lr=o.learning_rate, betas=o.betas, weight_decay=o.weight_decay
        )
        if self.discriminators is None:
            return [adamax], [self.scheduled(adamax)]
        critic = torch.optim.Adam(self.discriminators.parameters(), self.settings.discriminator_learning_rate)
        return [adamax, critic], [self.scheduled(adamax)]

    @property
    def progress(self) -> float:
        """Share of the steps that are done."""
        return self.global_step / self.optimisation.steps

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the network, then, towards the end, one of the discriminators on the same imputations."""
        p, (images, present), generator = self.settings, self.stack(batch), self.step_generator()
        images = padded(images, self.network.divisor)
        subsets = torch.cat(
            [draw_group(group, present, self.network.modalities, generator) for group in p.subset_groups]
        )
        subsets = subsets.to(images.device)
        temperature = 0.0 if torch.rand((), generator=generator) < p.mean_share else 1.0
        # Millions of numbers: drawn where the network is.
        noise = torch.Generator(images.device).manual_seed(int(torch.randint(2**31, (), generator=generator)))
        descent = self.network.descend(
            self.network.encode(images, present), subsets, tuple(images.shape[2:]), temperature, noise
        )
        prediction = self.network.decode(descent.finest)
        weights = torch.tensor(self.group_weights, device=images.device)
        n_groups = len(p.subset_groups)
        errors = mean_absolute_error(prediction, images.repeat(n_groups, 1, 1, 1)).unflatten(0, (n_groups, -1))
        l1 = (errors * present).sum((1, 2)) / present.sum()
        kl = self.divergence(descent, images, weights)
        loss = (weights * l1).sum() + kl
        judging = self.discriminators is not None and self.progress >= p.adversarial_start - 0.01
        made = self.fakes(prediction, subsets, present) if judging else None
        if made is not None and self.progress >= p.adversarial_start:
            deceit = self.deceiving_loss(made)
            loss = loss + p.adversarial_weight * deceit
            self.log("train_deceiving_loss", deceit.detach())
        self.step_network(loss)
        if self.discriminators is not None and p.pool and self.progress >= p.adversarial_start - 0.02:
            self.pool.add(images, present)
        if made is not None:
            self.step_discriminators(images, present, made, generator)
        self.log("train_loss", loss.detach(), prog_bar=True)
        self.log("train_l1", l1.mean().detach())
        self.log("train_kl", kl.detach())

    def divergence(
        self, descent: Descent, images: Float[Tensor, "batch modality y x"], weights: Float[Tensor, " group"]
    ) -> Float[Tensor, ""]:
        """Weighted KL of all levels per voxel and modality, and the disagreement of the subsets with the whole.

        Args:
            descent: Of all groups, one after the other.
            images: Of the batch, for their number of voxels.
            weights: Of the groups.
        """
        p, n_groups = self.settings, len(weights)
        ramp = min(1.0, self.progress / p.kl_ramp) if p.kl_ramp else 1.0
        per_level = []  # nats of each level, mean over the batch, weighted over the groups
        for level in descent.levels:
            nats = kl_divergence(level.posterior, level.prior).flatten(1).sum(1)
            floor = p.free_bits * level.prior.mean[0].numel()
            per_level.append((weights * nats.unflatten(0, (n_groups, -1)).mean(1)).sum().clamp(min=floor))
        kl = torch.stack(per_level)
        if p.balance_levels and ramp < 1.0:
            sizes = torch.tensor([level.prior.mean[0].numel() for level in descent.levels], device=kl.device)
            balance = sizes * kl.detach()
            kl = kl * balance / balance.mean().clamp(min=1e-8)
        total = p.kl_weight * kl.sum()
        if p.agreement_weight:
            total = total + p.agreement_weight * self.disagreement(descent)
        return ramp * total / images[0].numel()

    def disagreement(self, descent: Descent) -> Float[Tensor, ""]:
        """KL(posterior of all modalities ‖ posterior of one modality or more), nats, mean over the batch.

        Where latents were drawn from all modalities, every expert has spoken; a product of some of them is the
        posterior of that subset given the same latent above, at no cost.
        """
        groups = self.settings.subset_groups
        rows = len(descent.finest) // len(groups)
        first = groups.index(ALL) * rows
        used: Bool[Tensor, "batch expert"] | None = None
        total = descent.finest.new_zeros(())
        for level in descent.levels:
            experts = [expert.within(first, rows) for expert in level.experts]
            if used is None:  # the same experts speak for the same samples at every level
                speaks = torch.zeros(rows, len(experts), dtype=torch.bool)
                for number, expert in enumerate(experts):
                    speaks[expert.rows.cpu(), number] = True
                used = draw_inputs(speaks, self.step_generator(shared=True)).to(total.device)
            some = product_of_experts(level.prior.rows(first, rows), experts, used)
            total = total + kl_divergence(level.posterior.rows(first, rows), some).flatten(1).sum(1).mean()
        return total

    def fakes(
        self,
        prediction: Float[Tensor, "subset*batch modality y x"],
        subsets: Bool[Tensor, "subset*batch modality"],
        present: Bool[Tensor, "batch modality"],
    ) -> list[Float[Tensor, "fake 1 y x"]]:
        """Imputations of every modality from subsets that lack it; without the pool only where the truth is there."""
        asked = ~subsets
        if not self.settings.pool:
            asked = asked & present.repeat(len(subsets) // len(present), 1)
        return [prediction[asked[:, channel], channel, None] for channel in range(self.n_modalities)]

    def deceiving_loss(self, made: list[Float[Tensor, "fake 1 y x"]]) -> Float[Tensor, ""]:
        """How far the imputations are from being taken for real; the discriminators get no gradient."""
        self.discriminators.requires_grad_(False)
        losses = [
            F.mse_loss(scores := judge(images).float(), torch.ones_like(scores))
            for judge, images in zip(self.discriminators, made, strict=True)
            if len(images)
        ]
        self.discriminators.requires_grad_(True)
        return torch.stack(losses).mean() if losses else torch.zeros((), device=self.device)

    def step_network(self, loss: Float[Tensor, ""]) -> None:
        """One step of Adamax and of its schedule."""
        optimisers = self.optimizers()
        optimiser = optimisers[0] if isinstance(optimisers, list) else optimisers
        optimiser.zero_grad()
        self.manual_backward(loss)
        if self.optimisation.gradient_clip:
            self.clip_gradients(optimiser, self.optimisation.gradient_clip, "norm")
        optimiser.step()
        self.lr_schedulers().step()

    def step_discriminators(
        self,
        images: Float[Tensor, "batch modality y x"],
        present: Bool[Tensor, "batch modality"],
        made: list[Float[Tensor, "fake 1 y x"]],
        generator: torch.Generator,
    ) -> None:
        """One step: real images of the batch, of the pool where a subject lacks the modality, and the imputations."""
        losses = []
        for channel, (judge, fake) in enumerate(zip(self.discriminators, made, strict=True)):
            real = images[present[:, channel], channel, None]
            if self.settings.pool and (lacking := int((~present[:, channel]).sum())):
                real = torch.cat([real, self.pool.draw(channel, lacking, generator)])
            if len(real) == 0 or len(fake) == 0:
                continue
            for shown, label in ((real, 1.0), (fake.detach(), 0.0)):
                scores = judge(shown).float()
                losses.append(0.5 * F.mse_loss(scores, torch.full_like(scores, label)))
        if not losses:
            return
        critic = self.optimizers()[1].optimizer  # the bare one, so that Lightning's step count is that of the network
        judgement = torch.stack(losses).sum() / self.n_modalities
        critic.zero_grad()
        self.manual_backward(judgement)
        critic.step()
        self.log("train_discriminator_loss", judgement.detach())

    def imputed(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality y x"]:
        """From the means of all latents, as temperature 0 has it."""
        inputs = padded(zero_filled(images, available), self.network.divisor)
        prediction = next(self.network.draw(inputs, available, 0.0, torch.Generator()))
        return prediction[:, :, : images.shape[2], : images.shape[3]]

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality y x"]:
        """Stacks decoded from the validation subsets, for an early look."""
        images, present = self.stack(batch)
        return self.imputed(images, self.validation_available(images, present))

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """At temperature 0, so that it is the same each time: PSNR of what is missing, and of all from all."""
        images, present = self.stack(batch)
        available = self.validation_available(images, present)
        for name, inputs, targets in (
            ("val_psnr_missing", available, present & ~available),
            ("val_psnr_reconstruction", present, present),
        ):
            if targets.any():
                score = image_psnr(self.imputed(images, inputs), images, targets)
                self.log(name, score, prog_bar=name == "val_psnr_missing", batch_size=len(images))
