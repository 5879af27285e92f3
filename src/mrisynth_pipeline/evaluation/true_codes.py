"""What CodeBrain's decoder makes of the codes of the complete stack: the ceiling of what its Stage II can reach."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.models.codebrain import CodeBrainAutoencoder


class TrueCodes:
    """Stage I as a function of one subject's volumes, for the harness; it has seen the truth. Counts the codes.

    Args:
        autoencoder: In evaluation mode; images are brought to where it lies.
        parameters: How many slices go through it at once.

    Attributes:
        counts: How often each code stood for a position, once per subset that was asked for, on the CPU.
    """

    def __init__(self, autoencoder: CodeBrainAutoencoder, parameters: EvaluationParameters) -> None:
        self.autoencoder, self.batch_size = autoencoder, parameters.batch_size
        self.counts = torch.zeros(autoencoder.codes.codebook_size, dtype=torch.long)

    @torch.inference_mode()
    def __call__(
        self, volumes: Float[Tensor, "modality z y x"], available: Bool[Tensor, " modality"]
    ) -> Float[Tensor, "modality z y x"]:
        """All modalities in [0, 1] from the true codes and the available ones; slices beyond the head stay 0."""
        codes, device = self.autoencoder.codes, next(self.autoencoder.parameters()).device
        slices = volumes.transpose(0, 1)
        imputed = torch.zeros_like(slices)
        for part in (slices != 0).flatten(1).any(1).nonzero()[:, 0].split(self.batch_size):
            images = slices[part].to(device)
            prediction, values = self.autoencoder(images, available.expand(len(images), -1).to(device))
            imputed[part] = prediction.clamp(0.0, 1.0).cpu()
            indices = codes.to_indices(codes.to_levels(values)).flatten().cpu()
            self.counts += torch.bincount(indices, minlength=len(self.counts))
        return imputed.transpose(0, 1)
