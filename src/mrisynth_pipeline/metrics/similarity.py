"""Structural similarity (Wang et al. 2004) in 2D and 3D, fast enough to score every imputation of a study.

The local means of SSIM are Gaussian averages over 11 voxels per axis (σ = 1.5). The Gaussian is separable,
so each axis is one product with a banded matrix, which BLAS does an order of magnitude faster than the
dense 11×11(×11) convolutions of torchmetrics and MONAI; the values are those of torchmetrics (whole image,
borders mirrored), which the tests hold to 1e-9. All sums are float64: differences of second moments lose
their digits under TF32 and autocast, whatever a training run has switched on.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

WINDOW_RADIUS = 5
"""Voxels on each side of the window's centre: 11 in all."""
WINDOW_SIGMA = 1.5
"""Standard deviation of the Gaussian window, in voxels."""
_C1, _C2 = 0.01**2, 0.03**2  # Wang et al. 2004, K1 = 0.01 and K2 = 0.03 at data range 1


@lru_cache(maxsize=32)
def _window_matrix(size: int, device: torch.device) -> Float[Tensor, "size size"]:
    """Matrix that averages a line of ``size`` voxels with the Gaussian window, its ends mirrored."""
    if size <= WINDOW_RADIUS:
        raise ValueError(f"SSIM needs more than {WINDOW_RADIUS} voxels along every axis, got {size}")
    offsets = torch.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1)
    weights = torch.exp(-0.5 * (offsets.double() / WINDOW_SIGMA) ** 2)
    weights /= weights.sum()
    columns = (torch.arange(size)[:, None] + offsets).abs()
    columns = torch.where(columns >= size, 2 * (size - 1) - columns, columns)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return matrix.scatter_add_(1, columns, weights.expand(size, -1)).to(device)


def _local_mean(images: Tensor, n_dims: int) -> Tensor:
    """Gaussian average over the last ``n_dims`` (2 or 3) axes; same shape."""
    *_, rows, columns = images.shape
    averaged = _window_matrix(rows, images.device) @ (images @ _window_matrix(columns, images.device).T)
    if n_dims == 3:
        planes = averaged.flatten(-2)
        averaged = (_window_matrix(images.shape[-3], images.device) @ planes).view_as(images)
    return averaged


class SimilarityTo:
    """SSIM maps of many images against one truth, whose local moments are computed once.

    Args:
        target: Truth ``[..., y, x]`` (2D windows) or ``[..., z, y, x]`` (3D windows), in [0, 1].
        n_dims: 2 or 3, the number of trailing axes that the window spans.

    Raises:
        ValueError: An axis under the window is not longer than its radius (5 voxels).
    """

    def __init__(self, target: Float[Tensor, "*shape"], n_dims: int) -> None:
        self.n_dims = n_dims
        self._target = target.double()
        self._mean = _local_mean(self._target, n_dims)
        self._variance = _local_mean(self._target.square(), n_dims).sub_(self._mean.square()).clamp_(min=0)

    def map_of(self, prediction: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """SSIM at every voxel.

        Args:
            prediction: Image of the truth's shape, in [0, 1].

        Returns:
            SSIM in [-1, 1], float64, data range 1.
        """
        image = prediction.double()
        mean = _local_mean(image, self.n_dims)
        product = mean * self._mean
        covariance = _local_mean(image * self._target, self.n_dims).sub_(product)
        variance = _local_mean(image.square(), self.n_dims).sub_(mean.square()).clamp_(min=0)
        numerator = product.mul_(2).add_(_C1).mul_(covariance.mul_(2).add_(_C2))
        luminance = mean.square_().add_(self._mean.square()).add_(_C1)
        return numerator.div_(luminance.mul_(variance.add_(self._variance).add_(_C2)))


def ssim_map(
    prediction: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], n_dims: int
) -> Float[Tensor, "*shape"]:
    """SSIM at every voxel of one pair of images; see :class:`SimilarityTo`."""
    return SimilarityTo(target, n_dims).map_of(prediction)
