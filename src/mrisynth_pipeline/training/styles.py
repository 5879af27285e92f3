"""The mean style of every modality, which NeuroQuant imputes in."""

import torch
from torch.utils.data import Dataset

from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder


@torch.inference_mode()
def remember_styles(autoencoder: NeuroQuantAutoencoder, samples: Dataset) -> NeuroQuantAutoencoder:
    """Fill in the mean style of every modality, which imputation decodes with; call it when the training is over.

    A style is a mean over what the encoder is shown, so the samples must be what imputation shows it: windows, not
    training patches.

    Args:
        autoencoder: The trained network, on any device.
        samples: One window of each training subject, neither mirrored nor varied; asked for as ``(index, seed)``.

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
        sample = samples[index, 0]
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
