"""Stage II of CodeBrain: predict the codes of the complete stack from the available slices (section 3.2)."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mrisynth_pipeline.models.codebrain import CodeBrain
from mrisynth_pipeline.sampling.slices import SliceParameters
from mrisynth_pipeline.training.imputation import ImputationTraining, image_psnr, zero_filled
from mrisynth_pipeline.training.parameters import OptimisationParameters


class CodePredictionParameters(SliceParameters):
    """Stage II (``params:codebrain.stage2``); the defaults are those of the published run."""

    optimisation: OptimisationParameters = OptimisationParameters(batch_size=16)
    """Schedule of the code predictor."""
    incomplete: bool = False
    """Whether subjects that lack contrasts are trained on too, if they have two. Their codes are those of the stack
    with zeros for what is absent: they tell the predictor nothing about it. Needs ``stage1.incomplete``."""


class CodePrediction(ImputationTraining):
    """Trains the code predictor of a :class:`CodeBrain`; its autoencoder is frozen.

    Args:
        method: Both stages; only ``method.predictor`` learns.
        parameters: Schedule.
    """

    def __init__(self, method: CodeBrain, parameters: CodePredictionParameters) -> None:
        super().__init__(len(method.modalities), parameters.optimisation)
        self.method = method
        self.method.autoencoder.requires_grad_(False)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine, stepped after every batch."""
        return self.adamw_each_step(list(self.method.predictor.parameters()))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Float[Tensor, ""]:
        """Loss of the predicted codes against those of the complete stack."""
        images, present = self.stack(batch)
        available = self.draw_available(images, self.step_generator(), present)
        with torch.no_grad():
            target = self.method.autoencoder.encode(images)
        logits = self.method.predictor(images, available)
        loss = self.method.predictor.loss(logits, target)
        self.log("train_loss", loss.detach(), prog_bar=True)
        self.log("train_code_accuracy", self._accuracy(logits.detach(), target), prog_bar=True)
        return loss

    def _accuracy(self, logits: Tensor, values: Tensor) -> Float[Tensor, ""]:
        """Share of the code channels whose level is exactly right."""
        predictor = self.method.predictor
        return (predictor.predicted_levels(logits) == predictor.codes.to_levels(values)).float().mean()

    def look(self, batch: dict[str, Tensor]) -> Float[Tensor, "batch modality y x"]:
        """Imputations of a batch under the validation subsets, for an early look."""
        images, present = self.stack(batch)
        available = self.validation_available(images, present)
        return self.method.predict(zero_filled(images, available), available)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Code loss and accuracy, and the PSNR of the imputed modalities."""
        images, present = self.stack(batch)
        available = self.validation_available(images, present)
        target = self.method.autoencoder.encode(images)
        logits = self.method.predictor(images, available)
        values = self.method.predictor.predicted_values(logits)
        prediction = self.method.autoencoder.decode(values, images, available)
        size = {"batch_size": len(images)}
        self.log("val_loss", self.method.predictor.loss(logits, target), **size)
        self.log("val_code_accuracy", self._accuracy(logits, target), prog_bar=True, **size)
        self.log("val_psnr_missing", image_psnr(prediction, images, ~available & present), prog_bar=True, **size)
