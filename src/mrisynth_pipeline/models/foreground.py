"""Where the head is, told from the images alone."""

import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_fill_holes
from torch import Tensor


def foreground(volumes: Float[Tensor, "modality *spatial"]) -> Bool[Tensor, "*spatial"]:
    """Where any contrast is above 0, and the holes of that region (fluid that clipping made 0)."""
    signal = (volumes > 0).any(0)
    return torch.from_numpy(binary_fill_holes(signal.cpu().numpy())).to(volumes.device)
