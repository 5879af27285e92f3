"""Baselines without a network. A method that does not beat the linear regression is broken (evaluation protocol)."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.foreground import foreground


class MeanImage(Imputer):
    """The training set's mean volume of each modality, whatever the subject looks like.

    Args:
        modalities: Contrasts in channel order.
        grid: Size of the volumes, (z, y, x).
    """

    name = "mean"

    def __init__(self, modalities: tuple[str, ...], grid: tuple[int, int, int]) -> None:
        super().__init__(modalities, spatial_dims=3)
        self.grid = tuple(grid)
        self.register_buffer("total", torch.zeros(len(modalities), *grid))
        self.register_buffer("count", torch.zeros(len(modalities)))

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return super().construction() | {"grid": list(self.grid)}

    def accumulate(self, volumes: Float[Tensor, "modality z y x"], present: Bool[Tensor, " modality"]) -> None:
        """Add one training subject."""
        self.total[present] += volumes[present]
        self.count += present

    def predict(
        self, images: Float[Tensor, "batch modality z y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality z y x"]:
        """The mean volumes, once per sample."""
        mean = self.total / self.count.clamp(min=1)[:, None, None, None]
        return mean.expand_as(images)


class LinearRegression(Imputer):
    """Least squares per voxel: each missing modality as an affine function of the available ones.

    One regression per (available subset → target), all solved from the same Gram matrix of the foreground voxels of
    the training set. Fitted and applied where any available modality is above 0 and in the holes of that region (fluid
    that clipping made 0), so that the empty background, where it predicts 0, neither helps nor hurts it.

    Args:
        modalities: Contrasts in channel order.
    """

    name = "linear"

    def __init__(self, modalities: tuple[str, ...]) -> None:
        super().__init__(modalities, spatial_dims=3)
        size = len(modalities) + 1
        # Per unordered pair of modalities the voxels of subjects that have both: incomplete subjects count too.
        self.register_buffer("gram", torch.zeros(size, size, dtype=torch.float64))
        self.register_buffer("voxels", torch.zeros(size, size, dtype=torch.float64))

    @property
    def graph_obstacle(self) -> str:
        """A regression is solved for every subset of contrasts that is met."""
        return "it solves another regression for every subset of contrasts, and looks for the head with SciPy"

    def accumulate(self, volumes: Float[Tensor, "modality z y x"], present: Bool[Tensor, " modality"]) -> None:
        """Add one training subject."""
        values = torch.where(present[:, None], volumes[:, foreground(volumes[present])], 0.0).double()
        columns = torch.cat([torch.ones_like(values[:1]), values])
        has = torch.cat([torch.ones(1), present]).double()
        self.gram += columns @ columns.T
        self.voxels += torch.outer(has, has) * values.shape[1]

    def coefficients(self, available: Bool[Tensor, " modality"]) -> Float[Tensor, "inputs modality"]:
        """Intercept and slopes (rows: intercept, then the available modalities) for every target modality."""
        moments = self.gram / self.voxels.clamp(min=1)
        rows = torch.cat([torch.tensor([0]), 1 + available.nonzero()[:, 0].cpu()])
        return torch.linalg.lstsq(moments[rows][:, rows], moments[rows][:, 1:]).solution

    def predict(
        self, images: Float[Tensor, "batch modality z y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality z y x"]:
        """Regress every modality on the available ones, sample by sample."""
        outputs = []
        for image, have in zip(images, available, strict=True):
            weights = self.coefficients(have).to(image.dtype)
            prediction = torch.einsum("im,izyx->mzyx", weights[1:], image[have]) + weights[0, :, None, None, None]
            outputs.append(prediction * foreground(image[have]))
        return torch.stack(outputs)
