"""Structural similarity (Wang et al. 2004) as a loss, over a uniform window of 7 voxels.

A box is averaged axis by axis, so a volume costs 21 products per voxel where libraries convolve with 343.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

WINDOW = 7
"""Edge of the window in voxels."""
_C1, _C2 = 0.01**2, 0.03**2  # K1 = 0.01 and K2 = 0.03 at data range 1


def _box_mean(x: Tensor, window: int) -> Tensor:
    """Mean over the window at every place where it fits; axes of length 1 are left alone."""
    for axis in range(3):
        if x.shape[2 + axis] > 1:
            kernel = [1, 1, 1]
            kernel[axis] = window
            x = F.avg_pool3d(x, kernel, stride=1)
    return x


def dissimilarity(
    prediction: Float[Tensor, "batch channel z y x"], target: Float[Tensor, "batch channel z y x"], window: int = WINDOW
) -> Float[Tensor, ""]:
    """1 − mean SSIM of images in [0, 1], where the window lies inside them; of slices, where z is 1, the 2D SSIM.

    In single precision, whatever the precision around it.

    Raises:
        ValueError: If an image is smaller than the window.
    """
    if any(1 < n < window for n in target.shape[2:]):
        raise ValueError(f"SSIM with a window of {window} voxels needs larger images than {tuple(target.shape[2:])}")
    with torch.autocast(target.device.type, enabled=False):
        x, y = prediction.float(), target.float()
        moments = torch.cat([x, y, x * x, y * y, x * y], dim=1)
        mean_x, mean_y, xx, yy, xy = _box_mean(moments, window).chunk(5, dim=1)
        luminance = (2 * mean_x * mean_y + _C1) / (mean_x.square() + mean_y.square() + _C1)
        variances = xx - mean_x.square() + yy - mean_y.square()
        structure = (2 * (xy - mean_x * mean_y) + _C2) / (variances + _C2)
        return 1 - (luminance * structure).mean()
