"""Image-to-image translation: L1 and a conditional PatchGAN, as in pix2pix (Isola et al., CVPR 2017), in 2D or 3D.

AGI-Net (arXiv 2411.14684) is trained so, for one fixed scenario per model; from any contrasts to any others is ours.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor

from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.models.door import Imputer, padded
from mrisynth_pipeline.sampling.augmentation import MIRRORED_ALONE, AugmentationParameters
from mrisynth_pipeline.sampling.patches import PatchParameters
from mrisynth_pipeline.sampling.slices import SliceParameters
from mrisynth_pipeline.training.adversarial import AdversarialTraining, Exhibit
from mrisynth_pipeline.training.imputation import image_psnr, on_voxels, reconstruction_loss, zero_filled
from mrisynth_pipeline.training.misalignment import MisalignmentParameters, misalign
from mrisynth_pipeline.training.parameters import OptimisationParameters


class TranslationParameters(SliceParameters, PatchParameters):
    """Training of a translating network; weights and rates are pix2pix's, the schedule is ours.

    2D networks learn from slices (``minimum_brain_area``), 3D ones from patches (``patch_size``, ``tumour_share``).
    """

    optimisation: OptimisationParameters = OptimisationParameters(
        learning_rate=2e-4, final_learning_rate=0.0, betas=(0.5, 0.999)
    )
    """Schedule of the network; without weight decay its AdamW is pix2pix's Adam."""
    augmentation: AugmentationParameters = MIRRORED_ALONE
    """Transforms of the training samples, inputs and targets alike; 3D patches take the flips alone."""
    l1_weight: float = Field(100.0, ge=0)
    """Weight of the mean absolute error of the missing modalities."""
    adversarial_weight: float = Field(1.0, ge=0)
    """Weight of the network's least-squares GAN loss; 0 trains without a discriminator."""
    discriminator_width: int = Field(64, ge=1)
    """Channels of the discriminator's first convolution."""
    discriminator_learning_rate: float = Field(2e-4, gt=0)
    """Constant learning rate of the discriminator (Adam, betas 0.5 and 0.999)."""
    misalignment: MisalignmentParameters = MisalignmentParameters()
    """Random displacement of the inputs in training."""

    @model_validator(mode="after")
    def _patch_fits_the_discriminator(self) -> "TranslationParameters":
        smallest = PatchDiscriminator.smallest_image
        if self.adversarial_weight and min(self.patch_size) < smallest:
            raise ValueError(
                f"patch_size={self.patch_size} must be at least {smallest} each way for the discriminator: enlarge it, "
                "or set adversarial_weight to 0"
            )
        return self


class Translation(AdversarialTraining):
    """Trains a network to make the missing contrasts from the available ones.

    A network for any scenario gets a random subset per sample and learns from all that the subset lacks. One for a
    fixed scenario gets that scenario's inputs and learns from its targets; it meets no other contrast, nor does the
    discriminator.

    Args:
        network: A method such as :class:`~mrisynth_pipeline.models.resunet.ResUNet`: called with images and their
            availability, it gives all modalities, unclamped; its ``scenario`` says what it is given and asked for
            (``inputs`` and ``targets``, names of contrasts, and whether they are ``fixed``).
        parameters: Losses and schedule.
        spacing_mm: Voxel size (x, y, z) of the model grid, for displacements in mm.
    """

    def __init__(self, network: Imputer, parameters: TranslationParameters, spacing_mm: Sequence[float]) -> None:
        p, n = parameters, len(network.modalities)
        discriminator = (
            PatchDiscriminator(2 * n, n, p.discriminator_width, network.spatial_dims) if p.adversarial_weight else None
        )
        super().__init__(n, p.optimisation, discriminator, p.adversarial_weight)
        self.network, self.settings, self.spacing_mm = network, p, tuple(spacing_mm)
        scenario = network.scenario
        self.fixed = scenario.fixed
        for role, names in (("_inputs", scenario.inputs), ("_targets", scenario.targets)):
            chosen = torch.tensor([modality in names for modality in network.modalities])
            self.register_buffer(role, chosen, persistent=False)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine for the network, Adam at a constant rate for the discriminator."""
        rate = self.settings.discriminator_learning_rate
        return self.optimisers_of(self.network, lambda weights: torch.optim.Adam(weights, rate, betas=(0.5, 0.999)))

    def draw_available(
        self, images: Float[Tensor, "batch modality *spatial"], generator: torch.Generator
    ) -> Bool[Tensor, "batch modality"]:
        """The inputs of the fixed scenario, or else one subset per sample."""
        return self._inputs.expand(len(images), -1) if self.fixed else super().draw_available(images, generator)

    def validation_available(self, images: Float[Tensor, "batch modality *spatial"]) -> Bool[Tensor, "batch modality"]:
        """The inputs of the fixed scenario, or else all subsets in turn."""
        return self._inputs.expand(len(images), -1) if self.fixed else super().validation_available(images)

    def targets(self, available: Bool[Tensor, "batch modality"]) -> Bool[Tensor, "batch modality"]:
        """What is to be made from what is available: all that is missing, or the targets of the fixed scenario."""
        return ~available & self._targets

    def translate(
        self, inputs: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality *spatial"]:
        """All modalities from zero-filled inputs of any size, as the door would ask for them, but unclamped."""
        prediction = self.network(padded(inputs, self.network.divisor), available)
        return prediction[(..., *(slice(size) for size in inputs.shape[2:]))]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the network, then one of the discriminator on the same prediction."""
        p, images, generator = self.settings, batch["images"], self.step_generator()
        available = self.draw_available(images, generator)
        inputs = misalign(zero_filled(images, available), available, p.misalignment, self.spacing_mm, generator)
        targets = self.targets(available)
        prediction = self.translate(inputs, available)
        loss = p.l1_weight * reconstruction_loss(prediction, images, targets, "l1")
        # Beside the targets both stacks show the inputs as the network got them, displaced and zero-filled:
        # otherwise the discriminator could tell them apart without a look at what was made.
        asked = on_voxels(targets, images)
        made, real = torch.where(asked, prediction, inputs), torch.where(asked, images, inputs)
        self.step_in_turn(loss, Exhibit(made, real, condition=inputs, available=available, judged=targets))
        self.log("train_psnr_missing", image_psnr(prediction.detach(), images, targets), prog_bar=True)

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality *spatial"]:
        """Stacks completed from the validation subsets, for an early look; blank is what no one asks for."""
        available = self.validation_available(batch["images"])
        inputs = zero_filled(batch["images"], available)
        return torch.where(on_voxels(self.targets(available), inputs), self.translate(inputs, available), inputs)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """PSNR of the missing modalities; inputs are where they should be."""
        images = batch["images"]
        available = self.validation_available(images)
        prediction = self.translate(zero_filled(images, available), available)
        score = image_psnr(prediction, images, self.targets(available))
        self.log("val_psnr_missing", score, prog_bar=True, batch_size=len(images))
