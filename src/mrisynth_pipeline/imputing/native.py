"""Imputed contrasts on the voxels of a lab's own scan, in units and a number type like those of a real one."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.volumes import open_volume
from mrisynth_pipeline.imaging.intensity import IntensityMap, from_unit
from mrisynth_pipeline.imaging.native import masked_to_native
from mrisynth_pipeline.imaging.subject_file import Subject
from mrisynth_pipeline.imputing.subject import ImputedContrast

UNIT_RANGE = IntensityMap((0.0, 1.0), (0.0, 1.0))
"""The units of a contrast of which no training scan's are known."""

_STEPS_NEEDED = 500
"""Whole numbers show a contrast without visible steps if its range spans at least so many."""


@dataclass(frozen=True)
class NativeContrast:
    """One imputed contrast in the space of a scan."""

    image: nib.Nifti1Image
    """0 outside the mask."""
    expected_error: nib.Nifti1Image | None
    """Expected absolute error in the unit of the image, float32."""
    units: IntensityMap
    """Its units against [0, 1]."""


def to_own_space(
    contrast: ImputedContrast, subject: Subject, space: str | None = None, units: IntensityMap | None = None
) -> NativeContrast:
    """Bring one imputed contrast back.

    Args:
        contrast: On the model grid.
        subject: Whose, with the way back.
        space: The input whose voxels to use; ``None``: the reference's.
        units: A typical scanner's units for this contrast; ``None``: it stays in [0, 1].

    Returns:
        The contrast with shape and affine of that input. Its number type is that input's if that holds whole numbers
        and the units span enough of them, otherwise float32.
    """
    units, space = units or UNIT_RANGE, space or subject.reference
    about, values = subject.metadata(), from_unit(contrast.volume, units)
    image, _ = masked_to_native(values, subject.mask, about, space)
    image = _in_type_of(image, Path(subject.sources[space]["path"]), units)
    error = None
    if contrast.expected_error is not None:
        error, _ = masked_to_native(contrast.expected_error * slope(contrast.volume, units), subject.mask, about, space)
    return NativeContrast(image, error, units)


def slope(volume: NDArray[np.float32], units: IntensityMap) -> NDArray[np.float32]:
    """How many scanner units one unit of [0, 1] is, at each value of a volume."""
    steps = np.diff(units.scanner) / np.diff(units.unit)
    piece = np.clip(np.searchsorted(units.unit, volume, side="right") - 1, 0, len(steps) - 1)
    return steps[piece].astype(np.float32)


def _in_type_of(image: nib.Nifti1Image, like: Path, units: IntensityMap) -> nib.Nifti1Image:
    """The image in the number type of a scan on disk, where that can hold it."""
    kind = np.dtype(open_volume(like).get_data_dtype())
    low, high = units.scanner[0], units.scanner[-1]
    fits = kind.kind in "iu" and high - low >= _STEPS_NEEDED and np.iinfo(kind).min <= min(low, 0.0)
    if not (fits and high <= np.iinfo(kind).max):
        return image
    voxels = np.rint(np.asarray(image.dataobj)).clip(np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)
    header = image.header.copy()
    header.set_data_dtype(kind)
    return nib.Nifti1Image(voxels, image.affine, header)
