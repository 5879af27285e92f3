"""Where an imputation is wrong: errors by tissue and by part of the tumour."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from mrisynth_pipeline.cohorts.modalities import TISSUES, TUMOUR_REGIONS
from mrisynth_pipeline.metrics.image import PSNR_CAP

TUMOUR_PARTS = {"tumour": "WT", "core": "TC", "enhancing": "ET"}
"""Part of the tumour → its BraTS region."""

_FEWEST_VOXELS = 8  # of a region that is scored: a mean over fewer is of chance


@dataclass(frozen=True)
class Detail:
    """A measure beside those of the leaderboard."""

    column: str
    label: str
    group: str
    decimals: int
    higher_is_better: bool


_NAMES = {
    "grey": "Grey matter", "white": "White matter", "csf": "CSF",
    "tumour": "Whole tumour", "core": "Tumour core", "enhancing": "Enhancing",
}  # fmt: skip

DETAILS: dict[str, Detail] = {
    detail.column: detail
    for detail in (
        *(Detail(f"{name}_mae", "MAE ×1000", label, 1, False) for name, label in _NAMES.items()),
        *(Detail(f"{name}_psnr", "PSNR (dB)", label, 2, True) for name, label in _NAMES.items()),
        Detail("brasyn_ssim_tumour", "SSIM ×100", "In the tumour", 2, True),
        Detail("brasyn_ssim_healthy", "SSIM ×100", "In the rest of the brain", 2, True),
        Detail("lpips", "LPIPS", "", 4, False),
    )
}
"""Column → how it is shown."""


def regions_of(
    mask: Bool[np.ndarray, "z y x"],
    tissues: Integer[np.ndarray, "z y x"] | None,
    tumour: Integer[np.ndarray, "z y x"] | None,
) -> dict[str, Bool[np.ndarray, "z y x"]]:
    """The regions of one subject: tissues of the brain without the tumour, and the tumour's parts.

    Args:
        mask: Brain mask.
        tissues: Tissue map (labels of :data:`.TISSUES`), or ``None``.
        tumour: Internal tumour labels, or ``None``.
    """
    healthy = mask if tumour is None else mask & (tumour == 0)
    found = {} if tissues is None else {name: healthy & (tissues == label) for name, label in TISSUES.items()}
    if tumour is not None:
        found |= {name: np.isin(tumour, TUMOUR_REGIONS[region]) for name, region in TUMOUR_PARTS.items()}
    return found


class TrueRegions:
    """The truth of one subject and contrast, region by region.

    Args:
        target: Real contrast, in [0, 1].
        regions: Name → mask; one with fewer than eight voxels scores NaN.
    """

    def __init__(self, target: Float[Tensor, "z y x"], regions: Mapping[str, Bool[np.ndarray, "z y x"]]) -> None:
        self._masks = {name: torch.from_numpy(region) for name, region in regions.items()}
        self._values = {name: target[region].float() for name, region in self._masks.items()}

    def score(self, prediction: Float[Tensor, "z y x"]) -> dict[str, float]:
        """Per region ``{name}_mae`` (×1000) and ``{name}_psnr`` (dB, data range 1, at most :data:`PSNR_CAP`)."""
        found = {}
        image = prediction.float().clamp(0.0, 1.0)
        for name, region in self._masks.items():
            error = (image[region] - self._values[name]).double()
            enough = error.numel() >= _FEWEST_VOXELS
            mse = float(error.square().mean()) if enough else float("nan")
            found[f"{name}_mae"] = 1000 * float(error.abs().mean()) if enough else float("nan")
            found[f"{name}_psnr"] = min(-10 * float(np.log10(mse)), PSNR_CAP) if mse != 0 else PSNR_CAP
        return found
