"""Training of the downstream segmenter, of tumours or tissues, on real, complete scans."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from monai.losses import DiceLoss
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from mrisynth_pipeline.models.segmenter import Segmenter, label_regions
from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.training.parameters import OptimisationParameters
from mrisynth_pipeline.training.schedule import ScheduledTraining


class SegmentationParameters(Parameters):
    """The downstream segmenter (``params:segmentation``)."""

    optimisation: OptimisationParameters = OptimisationParameters(
        steps=20_000,
        batch_size=2,
        learning_rate=3e-4,
        final_learning_rate=1e-6,
        betas=(0.9, 0.999),
        weight_decay=1e-5,
    )
    """Schedule; validation samples are patches around the tumours of the validation subjects."""
    width: int = Field(16, ge=4)
    """SegResNet's channels at full resolution."""
    blocks_down: tuple[int, ...] = (1, 2, 2, 4)
    """Residual blocks per encoder level."""
    patch_size: tuple[int, int, int] = (128, 128, 128)
    """Training patch (x, y, z) in voxels."""
    tumour_share: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a patch is centred in the tumour's bounding box rather than anywhere."""
    modality_dropout: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the training patches in which one contrast or more, but never all, are blank (0), so that the segmenter
    copes with missing contrasts by itself (as in modality dropout, Neverova et al., IEEE TPAMI 2016; that every subset
    is as likely is ours). 0: it only ever sees complete scans, and a blank contrast takes it by surprise."""

    @model_validator(mode="after")
    def _patch_fits_the_levels(self) -> "SegmentationParameters":
        divisor = 2 ** (len(self.blocks_down) - 1)
        if any(size % divisor for size in self.patch_size):
            raise ValueError(
                f"segmentation.patch_size={self.patch_size} must be divisible by {divisor}, "
                f"for segmentation.blocks_down has {len(self.blocks_down)} levels"
            )
        return self


class SegmentationTraining(ScheduledTraining):
    """Soft Dice plus cross-entropy: binary on the overlapping regions of tumours (as in MONAI's BraTS bundle).

    On tissues both are of a softmax, and the Dice leaves the background out, which fills most of a patch.

    Args:
        segmenter: The network; its ``targets`` say what the labels of a batch are.
        parameters: Schedule.
    """

    def __init__(self, segmenter: Segmenter, parameters: SegmentationParameters) -> None:
        super().__init__(parameters.optimisation)
        self.segmenter = segmenter
        self.tissue = segmenter.targets == "tissue"
        activation = {"softmax": True, "include_background": False} if self.tissue else {"sigmoid": True}
        self.dice = DiceLoss(**activation, smooth_nr=0.0, smooth_dr=1e-5, batch=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine, stepped after every batch."""
        return self.adamw_each_step(list(self.segmenter.parameters()))

    def _loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, regions found and true regions (``[batch, region, z, y, x]``, of tissues without background)."""
        labels = batch["labels"].to(batch["images"].device)
        logits = self.segmenter(batch["images"]).float()
        if self.tissue:
            truth = _one_hot(labels, logits.shape[1])
            found = _one_hot(logits.argmax(dim=1), logits.shape[1])
            return self.dice(logits, truth) + F.cross_entropy(logits, labels), found[:, 1:], truth[:, 1:]
        truth = torch.stack([label_regions(one) for one in batch["labels"]]).to(logits.device).float()
        loss = self.dice(logits, truth) + F.binary_cross_entropy_with_logits(logits, truth)
        return loss, (logits > 0).float(), truth

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Float[Tensor, ""]:
        """Loss of one batch of patches."""
        loss, _, _ = self._loss(batch)
        self.log("train_loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Loss and Dice over all regions of the batch."""
        loss, found, truth = self._loss(batch)
        dice = (2 * (found * truth).sum() + 1e-5) / (found.sum() + truth.sum() + 1e-5)
        self.log("val_loss", loss, batch_size=len(truth))
        self.log("val_dice", dice, prog_bar=True, batch_size=len(truth))


def _one_hot(labels: Int64[Tensor, "batch z y x"], count: int) -> Float[Tensor, "batch label z y x"]:
    return F.one_hot(labels, count).movedim(-1, 1).float()
