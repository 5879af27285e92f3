"""Intensities: bias field off, clipped to percentiles, scaled to [0, 1], and back."""

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import shrink_to
from mrisynth_pipeline.imaging.parameters import IntensityParameters

_N4_GRID_MM = 6.0  # the field is smooth: estimated on 6 mm voxels, applied at full resolution
_N4_ITERATIONS = [30, 30, 20]


def correct_bias(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """Divide out the smooth receive-coil field (N4; Tustison et al., IEEE TMI 29, 2010).

    Args:
        image: float32 scan.
        mask: uint8 foreground in the scan's space. Inside the brain the field is found better and several times
            faster than inside the head, where fat and marrow add tissues of their own.

    Returns:
        The corrected scan on the same voxels.
    """
    coarse = shrink_to(image, _N4_GRID_MM)
    inside = sitk.Resample(mask, coarse, sitk.Transform(), sitk.sitkNearestNeighbor)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(_N4_ITERATIONS)
    n4.Execute(sitk.Cast(coarse, sitk.sitkFloat32), inside)
    field = sitk.Exp(sitk.Cast(n4.GetLogBiasFieldAsImage(image), sitk.sitkFloat32))
    return sitk.Cast(image / field, sitk.sitkFloat32)


def intensity_range(
    volume: NDArray[np.float32], mask: NDArray[np.bool_], parameters: IntensityParameters
) -> tuple[float, float]:
    """The scanner values that become 0 and 1.

    Args:
        volume: Scanner values ``[z, y, x]``.
        mask: Foreground ``[z, y, x]``; must not be empty.
        parameters: Which percentiles.

    Returns:
        (low, high) with low < high; a constant foreground gives a range of width 1 below its value, so
        that it maps to 1.
    """
    low, high = np.percentile(volume[mask], [parameters.lower_percentile, parameters.upper_percentile])
    return (float(low), float(high)) if high > low else (float(high) - 1.0, float(high))


def to_unit(volume: NDArray[np.float32], mask: NDArray[np.bool_], low: float, high: float) -> NDArray[np.float32]:
    """clip((v − low) / (high − low), 0, 1) inside the mask, exactly 0 outside."""
    unit = np.clip((volume - low) / (high - low), 0.0, 1.0)
    return np.where(mask, unit, 0.0).astype(np.float32)


def from_unit(volume: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Undo :func:`to_unit` up to its clipping: low + v · (high − low)."""
    return (low + volume * (high - low)).astype(np.float32)
