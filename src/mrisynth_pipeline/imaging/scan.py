"""Reading one scan: checked, and turned so that its voxel axes run right, front, up."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.volumes import open_volume
from mrisynth_pipeline.imaging.geometry import Grid, image_on

_SPACING_MM = (0.1, 20.0)  # a voxel outside this range is a broken header, not a brain scan

_MIN_VOXELS = 8  # fewer slices than this do not hold a head, nor can they be registered


@dataclass(frozen=True)
class Scan:
    """One scan in memory.

    Args:
        image: float32 voxels with axes in RAS+ order (the closest to the scan's own; nothing is resampled).
        native: The grid of the file as it lies on disk.
    """

    image: sitk.Image
    native: Grid


def read_scan(path: str | Path, constant_allowed: bool = False, volume: int | None = None) -> Scan:
    """Read and check a scan.

    Args:
        path: A ``.nii``, ``.nii.gz`` or ``.nrrd`` file.
        constant_allowed: A label map without any label is sound; an image without any contrast is not.
        volume: Which volume of a 4-D file, from 0.

    Returns:
        The scan, float32, axes turned to RAS+.

    Raises:
        InputError: The file cannot be read, says nothing about orientation, or holds no usable volume.
    """
    path = Path(path)
    try:
        nifti = open_volume(path, volume)
        voxels = np.asarray(nifti.get_fdata(dtype=np.float32, caching="unchanged"))
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, nib.filebasedimages.ImageFileError) as error:
        raise InputError(path, f"the file cannot be read ({error})", "Fetch it again or leave it out") from error
    if voxels.ndim == 4 and voxels.shape[3] == 1:
        voxels = voxels[..., 0]
    problem = _problem(nifti, voxels, constant_allowed)
    if problem:
        raise InputError(path, problem, "Repair the scan or leave it out")
    volume = nib.Nifti1Image(voxels, nifti.affine)
    native = Grid(tuple(int(n) for n in voxels.shape), np.asarray(nifti.affine, dtype=float))
    upright = nib.as_closest_canonical(volume)
    array = np.asarray(upright.dataobj, dtype=np.float32).transpose(2, 1, 0)
    return Scan(image=image_on(array, upright.affine), native=native)


def _problem(nifti: nib.Nifti1Image, voxels: NDArray[np.float32], constant_allowed: bool) -> str:
    """What makes a scan unusable, in words; empty if nothing does."""
    if voxels.ndim != 3 or min(voxels.shape) < _MIN_VOXELS:
        return f"expected a 3-D volume of {_MIN_VOXELS} voxels or more along each axis, found {voxels.shape}"
    header = nifti.header
    if isinstance(nifti, nib.Nifti1Image) and not (header["sform_code"] or header["qform_code"]):
        return "the header has neither sform nor qform: left and right are unknown"
    affine = nifti.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        return "the affine is not invertible"
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < _SPACING_MM[0] or spacing.max() > _SPACING_MM[1]:
        return f"voxel size {np.round(spacing, 3).tolist()} mm is outside {_SPACING_MM[0]}–{_SPACING_MM[1]} mm"
    if not np.isfinite(voxels).all():
        return "some voxels are not finite numbers"
    if not constant_allowed and voxels.min() == voxels.max():
        return f"every voxel has the value {voxels.min():g}"
    return ""
