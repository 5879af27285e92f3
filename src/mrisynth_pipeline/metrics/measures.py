"""What is measured: every score's column, unit, direction and definition, written down once."""

from dataclasses import dataclass
from typing import Literal

SCORE_KEYS = ("method", "subject", "inputs", "n_inputs", "target")
"""Columns that identify one imputation: who imputed which contrast of whom, and from what."""

SEGMENTATION_KEYS = ("method", "subject", "missing", "region")
"""Columns that identify one segmentation score."""


@dataclass(frozen=True)
class Measure:
    """One number that judges an imputation."""

    column: str
    """Column of the score table, ``<protocol>_<name>``."""
    protocol: Literal["slice", "volume"]
    """Under which protocol it is taken."""
    name: Literal["psnr", "ssim", "mae"]
    """Key of the measure inside a protocol of a summary."""
    label: str
    """Heading with unit or factor."""
    decimals: int
    """Digits after the point that are worth printing."""
    higher_is_better: bool
    """Direction of improvement."""


MEASURES: tuple[Measure, ...] = (
    Measure("slice_psnr", "slice", "psnr", "PSNR (dB)", 2, True),
    Measure("slice_ssim", "slice", "ssim", "SSIM ×100", 2, True),
    Measure("slice_mae", "slice", "mae", "MAE ×1000", 2, False),
    Measure("volume_psnr", "volume", "psnr", "PSNR (dB)", 2, True),
    Measure("volume_ssim", "volume", "ssim", "SSIM3D ×100", 2, True),
    Measure("volume_mae", "volume", "mae", "MAE ×1000", 2, False),
)
"""Every image measure, in the order of the tables."""

REFERENCES: tuple[str, ...] = ("truth_copy", "stage1")
"""Rows that have seen the truth: limits of the protocol, never competitors. ``truth_copy`` is the truth
as stored on disk (float16), ``stage1`` the autoencoder given the codes of the true contrast."""


def measures_of(protocol: str) -> tuple[Measure, ...]:
    """Measures of one protocol (``slice`` or ``volume``), in table order."""
    return tuple(measure for measure in MEASURES if measure.protocol == protocol)
