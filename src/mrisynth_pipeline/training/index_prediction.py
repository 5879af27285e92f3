"""Stage II on NeuroQuant's codes: predict their indices from incomplete stacks by cross-entropy (ours)."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.models.neuroquant import NeuroQuant
from mrisynth_pipeline.sampling.augmentation import MIRRORED_ALONE, AugmentationParameters
from mrisynth_pipeline.sampling.availability import draw_inputs
from mrisynth_pipeline.sampling.patches import PatchParameters
from mrisynth_pipeline.training.imputation import ImputationTraining, image_psnr, zero_filled
from mrisynth_pipeline.training.parameters import OptimisationParameters


class IndexPredictionParameters(PatchParameters):
    """Training of the code predictor; the schedule is ours."""

    optimisation: OptimisationParameters = OptimisationParameters(
        steps=50_000,
        batch_size=4,
        learning_rate=2e-4,
        final_learning_rate=0.0,
        warmup_steps=1_000,
        betas=(0.9, 0.999),
        weight_decay=0.01,
        gradient_clip=1.0,
        precision="bf16-mixed",
    )
    """Schedule of the predictor."""
    augmentation: AugmentationParameters = MIRRORED_ALONE
    """Transforms of the training samples; patches take the flips alone."""
    patch_size: tuple[int, int, int] = (144, 192, 144)
    """Training patch (x, y, z) in voxels; cut to the model grid where that is smaller."""
    predictor_widths: tuple[int, ...] | None = Field((256, 256, 256, 256), min_length=1)
    """Channels of the predictor's blocks, at the resolution of the codes. Null trains no predictor: imputation then
    takes the codes nearest to the mean anatomy of what is available."""
    subsets: int = Field(4, ge=1)
    """Choices of what is shown that a step learns from, of the same patches: they are encoded only once."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the truth that is spread over all codes."""


class IndexPrediction(ImputationTraining):
    """Trains the predictor of a :class:`NeuroQuant`; its autoencoder is frozen.

    The truth are the codes of every modality that a subject has and the predictor is not shown: it sees at least one,
    and never all.

    Args:
        method: Both stages, the mean styles filled in; only ``method.predictor`` learns.
        parameters: Schedule.

    Raises:
        ValueError: If the method has no predictor.
    """

    def __init__(self, method: NeuroQuant, parameters: IndexPredictionParameters) -> None:
        super().__init__(len(method.modalities), parameters.optimisation)
        if method.predictor is None:
            raise ValueError("there is no predictor to train: build NeuroQuant with predictor_widths")
        self.method, self.settings = method, parameters
        self.method.autoencoder.requires_grad_(False)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine, stepped after every batch."""
        return self.adamw_each_step(list(self.method.predictor.parameters()))

    @torch.no_grad()
    def truth(
        self, images: Float[Tensor, "batch modality z y x"], present: Bool[Tensor, "batch modality"]
    ) -> tuple[Float[Tensor, "batch modality anatomy d h w"], Int[Tensor, "batch modality d h w"]]:
        """Anatomy before quantisation and indices of the codes of all that is there; of the rest they mean nothing."""
        autoencoder = self.method.autoencoder
        anatomies = autoencoder.anatomies(images, present)
        indices = autoencoder.quantise(anatomies.flatten(0, 1), learn=False).indices
        return anatomies, indices.unflatten(0, present.shape)

    def _hidden(
        self,
        anatomies: Float[Tensor, "batch modality anatomy d h w"],
        indices: Int[Tensor, "batch modality d h w"],
        present: Bool[Tensor, "batch modality"],
        available: Bool[Tensor, "batch modality"],
    ) -> tuple[Float[Tensor, "hidden code d h w"], Int[Tensor, "hidden d h w"]]:
        """Logits and truth of what is there but not shown."""
        shown, hidden = available[:, :, None, None, None, None], present & ~available
        return self.method.code_logits(anatomies * shown, available)[hidden], indices[hidden]

    def _padded(self, batch: dict[str, Tensor]) -> Tensor:
        return padded(batch["images"], self.method.divisor)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Float[Tensor, ""]:
        """Cross-entropy of the codes of what is not shown."""
        several = self.settings.subsets
        anatomies, indices = (
            each.repeat_interleave(several, 0) for each in self.truth(self._padded(batch), batch["present"])
        )
        present = batch["present"].repeat_interleave(several, 0)
        available = draw_inputs(present, self.step_generator()).to(anatomies.device)
        logits, truth = self._hidden(anatomies, indices, present, available)
        loss = F.cross_entropy(logits, truth, label_smoothing=self.settings.label_smoothing)
        self.log("train_loss", loss.detach(), prog_bar=True)
        self.log("train_code_accuracy", (logits.argmax(1) == truth).float().mean(), prog_bar=True)
        return loss

    def _validation_inputs(self, present: Bool[Tensor, "batch modality"]) -> Bool[Tensor, "batch modality"]:
        """Subsets of what each sample has, the same in every validation."""
        return draw_inputs(present, torch.Generator().manual_seed(0)).to(present.device)

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality z y x"]:
        """Imputations of a batch from subsets of it, for an early look."""
        images = batch["images"]
        available = self._validation_inputs(torch.ones(images.shape[:2], dtype=torch.bool, device=images.device))
        made = self.method.complete(self._padded({"images": zero_filled(images, available)}), available)
        return made[(..., *(slice(n) for n in images.shape[2:]))] + zero_filled(images, available)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Cross-entropy and accuracy of the codes, and the PSNR of the modalities that were hidden."""
        images, present = self._padded(batch), batch["present"]
        available = self._validation_inputs(present)
        logits, truth = self._hidden(*self.truth(images, present), present, available)
        size = {"batch_size": len(images)}
        self.log("val_loss", F.cross_entropy(logits, truth), **size)
        self.log("val_code_accuracy", (logits.argmax(1) == truth).float().mean(), prog_bar=True, **size)
        made = self.method.complete(images, available)[(..., *(slice(n) for n in batch["images"].shape[2:]))]
        self.log("val_psnr_missing", image_psnr(made, batch["images"], present & ~available), prog_bar=True, **size)
