"""The mean style of every modality, which NeuroQuant imputes in."""

import torch
from torch.utils.data import Dataset

from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder


@torch.inference_mode()
def remember_styles(
    autoencoder: NeuroQuantAutoencoder, samples: Dataset, draws: int = 4, seed: int = 0
) -> NeuroQuantAutoencoder:
    """Fill in the mean style of every modality, which imputation decodes with; call it when the training is over.

    A style is a mean over all that the encoder is shown, background included, so the samples should be of the kind that
    imputation will see: patches of the size of its windows.

    Args:
        autoencoder: The trained network, on any device.
        samples: Patches of the training subjects, such as those it was trained on; asked for as ``(index, seed)``.
        draws: Patches per subject.
        seed: Of the draws.

    Returns:
        The same network.

    Raises:
        ValueError: If no sample has one of the modalities.
    """
    device, training = autoencoder.mean_styles.device, autoencoder.training
    autoencoder.eval()
    total = torch.zeros_like(autoencoder.mean_styles)
    count = torch.zeros(len(total), device=device)
    for index in range(len(samples)):
        for draw in range(draws):
            sample = samples[index, (seed * 1_000_003 + index) * 1_009 + draw]
            for m in sample["present"].nonzero()[:, 0].tolist():
                image = padded(sample["images"][None, m : m + 1].to(device), autoencoder.architecture.reduction)
                total[m] += autoencoder.encode(image)[1][0]
                count[m] += 1
    if lacking := [name for name, n in zip(autoencoder.modalities, count.tolist(), strict=True) if not n]:
        raise ValueError(f"no training subject has {', '.join(lacking)}: its mean style cannot be known")
    autoencoder.mean_styles.copy_(total / count[:, None])
    autoencoder.styles_remembered.fill_(True)
    autoencoder.train(training)
    return autoencoder
