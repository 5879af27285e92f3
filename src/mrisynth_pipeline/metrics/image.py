"""How close an imputed volume is to the real one: protocols ``slice`` and ``volume``.

``slice`` is what the published tables report: every axial slice on its own, whole image, data range 1.
``volume`` is what a user cares about: the brain as one 3D object, nothing outside it.
Neither number can be read under the other's name: a zero background flatters ``slice`` scores by several dB.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.metrics.similarity import WINDOW_RADIUS, SimilarityTo

PSNR_CAP = 100.0
"""PSNR of an identical (or nearly identical) image, in dB: the formula's infinity would swamp any mean."""

_SLICES_AT_ONCE = 16  # keeps the temporaries of a slice batch in the processor's cache

Slices = Sequence[int] | np.ndarray | Tensor | slice


class TrueVolume:
    """The truth of one subject and contrast, against which every method's imputation is scored.

    Whatever depends on the truth alone is computed once, as 28 (subset, target) pairs times the number of
    methods are compared with only four of these per subject.

    Args:
        target: Real contrast ``[z, y, x]`` in [0, 1].
        mask: Brain mask of the same shape.
        slices: Axial slices of protocol ``slice``: indices, a boolean array over z, or a Python slice.

    Raises:
        ValueError: Shapes differ, the mask is empty, or no slice is selected.
    """

    def __init__(self, target: Float[Tensor, "z y x"], mask: Bool[Tensor, "z y x"], slices: Slices) -> None:
        self._slices = _Slices(target, slices)
        self._volume = _Volume(target, mask)

    def score(self, prediction: Float[Tensor, "z y x"]) -> dict[str, float]:
        """Both protocols for one imputation.

        Args:
            prediction: Imputed contrast ``[z, y, x]``; clamped to [0, 1] here.

        Returns:
            ``slice_psnr`` (dB), ``slice_ssim`` (×100), ``slice_mae`` (×1000), means over the slices;
            ``n_slices``; ``volume_psnr``, ``volume_ssim``, ``volume_mae`` in the same units.

        Raises:
            ValueError: The prediction has another shape or is not finite.
        """
        per_slice = self._slices.score(prediction)
        means = {f"slice_{name}": float(values.mean()) for name, values in per_slice.items()}
        volume = {f"volume_{name}": value for name, value in self._volume.score(prediction).items()}
        return means | {"n_slices": len(per_slice["psnr"])} | volume


def image_scores(
    prediction: Float[Tensor, "z y x"],
    target: Float[Tensor, "z y x"],
    mask: Bool[Tensor, "z y x"],
    slices: Slices,
) -> dict[str, float]:
    """Both protocols for one pair of volumes; see :class:`TrueVolume`, which many predictions can share."""
    return TrueVolume(target, mask, slices).score(prediction)


def slice_scores(
    prediction: Float[Tensor, "z y x"], target: Float[Tensor, "z y x"], slices: Slices
) -> dict[str, np.ndarray]:
    """Protocol ``slice``, one value per selected axial slice.

    Args:
        prediction: Imputed contrast; clamped to [0, 1] here.
        target: Real contrast in [0, 1].
        slices: Indices, a boolean array over z, or a Python slice.

    Returns:
        Arrays ``psnr`` (dB, at most :data:`PSNR_CAP`), ``ssim`` (×100) and ``mae`` (×1000). A table's
        number is the mean of these, never the PSNR of a mean squared error.

    Raises:
        ValueError: Shapes differ, no slice is selected, or the prediction is not finite.
    """
    return _Slices(target, slices).score(prediction)


def volume_scores(
    prediction: Float[Tensor, "z y x"], target: Float[Tensor, "z y x"], mask: Bool[Tensor, "z y x"]
) -> dict[str, float]:
    """Protocol ``volume``: the voxels of the brain mask as one 3D image.

    Args:
        prediction: Imputed contrast; clamped to [0, 1] here.
        target: Real contrast in [0, 1].
        mask: Brain mask.

    Returns:
        ``psnr`` (dB) and ``mae`` (×1000) over the voxels of the mask, and ``ssim`` (×100), the 3D SSIM map
        averaged over the mask. Voxels outside enter only through the windows at the brain's edge.

    Raises:
        ValueError: Shapes differ, the mask is empty, or the prediction is not finite.
    """
    return _Volume(target, mask).score(prediction)


def volume_psnr(
    prediction: Float[Tensor, "z y x"], target: Float[Tensor, "z y x"], mask: Bool[Tensor, "z y x"]
) -> float:
    """PSNR of protocol ``volume`` alone, where SSIM would cost more than it tells; see :func:`volume_scores`."""
    if mask.shape != target.shape or not mask.any():
        raise ValueError(f"mask is {tuple(mask.shape)} with {int(mask.sum())} voxels, truth is {tuple(target.shape)}")
    error = _checked(prediction, target.shape)[mask] - target.float()[mask]
    return float(_psnr(error.square().mean(dtype=torch.float64)))


class _Slices:
    """Truth of protocol ``slice``."""

    def __init__(self, target: Tensor, slices: Slices) -> None:
        self._shape = target.shape
        self._indices = torch.arange(target.shape[0])[slices]
        if self._indices.numel() == 0:
            raise ValueError("no axial slice is selected: there is nothing to score")
        self._target = target[self._indices].float()
        self._similarity = [SimilarityTo(part, n_dims=2) for part in self._target.split(_SLICES_AT_ONCE)]

    def score(self, prediction: Tensor) -> dict[str, np.ndarray]:
        chosen = _checked(prediction, self._shape)[self._indices]
        error = chosen - self._target
        parts = zip(self._similarity, chosen.split(_SLICES_AT_ONCE), strict=True)
        ssim = torch.cat([similarity.map_of(part).mean(dim=(1, 2)) for similarity, part in parts])
        return {
            "psnr": _psnr(error.square().mean(dim=(1, 2), dtype=torch.float64)).cpu().numpy(),
            "ssim": 100 * ssim.cpu().numpy(),
            "mae": 1000 * error.abs().mean(dim=(1, 2), dtype=torch.float64).cpu().numpy(),
        }


class _Volume:
    """Truth of protocol ``volume``, cut to the brain's bounding box."""

    def __init__(self, target: Tensor, mask: Tensor) -> None:
        if mask.shape != target.shape:
            raise ValueError(f"mask is {tuple(mask.shape)} but the truth is {tuple(target.shape)}")
        self._shape = target.shape
        self._box = bounding_box(mask.bool())
        self._mask = mask.bool()[self._box]
        cropped = target[self._box].float()
        self._target = cropped[self._mask]
        self._similarity = SimilarityTo(cropped, n_dims=3)

    def score(self, prediction: Tensor) -> dict[str, float]:
        cropped = _checked(prediction, self._shape)[self._box]
        error = cropped[self._mask] - self._target
        return {
            "psnr": float(_psnr(error.square().mean(dtype=torch.float64))),
            "ssim": 100 * float(self._similarity.map_of(cropped)[self._mask].mean()),
            "mae": 1000 * float(error.abs().mean(dtype=torch.float64)),
        }


def _psnr(mean_squared_error: Tensor) -> Tensor:
    """PSNR in dB at data range 1, at most :data:`PSNR_CAP`."""
    return (-10 * torch.log10(mean_squared_error)).clamp(max=PSNR_CAP)


def _checked(prediction: Tensor, shape: torch.Size) -> Tensor:
    """The prediction in float32, clamped to [0, 1], if it can be compared with the truth at all."""
    if prediction.shape != shape:
        raise ValueError(f"prediction is {tuple(prediction.shape)} but the truth is {tuple(shape)}")
    prediction = prediction.detach().float()
    if not prediction.isfinite().all():  # a NaN would be left out of means later, and flatter the method
        raise ValueError("the prediction contains NaN or infinite voxels")
    return prediction.clamp(0, 1)


def bounding_box(mask: Bool[Tensor, "*shape"]) -> tuple[slice, ...]:
    """Smallest box around the mask, widened by the SSIM window so that cropping changes no score.

    Raises:
        ValueError: The mask is empty.
    """
    if not mask.any():
        raise ValueError("the brain mask is empty: there is nothing to score")
    box = []
    for axis, size in enumerate(mask.shape):
        inside = mask.movedim(axis, 0).flatten(1).any(dim=1).nonzero()
        first, last = int(inside.min()), int(inside.max())
        box.append(slice(max(first - WINDOW_RADIUS, 0), min(last + WINDOW_RADIUS + 1, size)))
    return tuple(box)
