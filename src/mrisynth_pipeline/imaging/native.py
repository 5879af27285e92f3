"""The way back: from the model grid to the voxels of the scanner's own files."""

from collections.abc import Mapping
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.geometry import Grid, image_on, resample
from mrisynth_pipeline.imaging.intensity import IntensityMap, from_unit


def native_grid(about: Mapping[str, Any], space: str) -> Grid:
    """The voxels of a source scan as it lies on disk.

    Args:
        about: Metadata of a subject file.
        space: Name of one of its sources: a contrast, or ``seg``.

    Raises:
        InputError: The subject has no such source.
    """
    if space not in about["sources"]:
        known = ", ".join(about["sources"])
        raise InputError(about["subject"], f"has no {space} scan to take the grid of", f"Choose one of: {known}")
    source = about["sources"][space]
    return Grid(tuple(source["shape"]), np.asarray(source["affine"], dtype=float))


def axial_window(about: Mapping[str, Any], depth: int, first: int, last: int) -> tuple[int, int]:
    """Which axial slices of the model grid a window of the reference scan's own axial slices covers.

    Args:
        about: Metadata of a subject file.
        depth: Number of axial slices of the model grid.
        first: First slice of the window, counted from 0 along the scan's axis that is closest to the body's, as stored.
        last: Last slice, inclusive.

    Returns:
        First and last z index on the model grid, inclusive; within it. An empty window has first > last.
    """
    native = native_grid(about, about["reference"])
    to_grid = np.linalg.inv(np.asarray(about["grid_affine"], dtype=float))
    from_scan = np.linalg.inv(np.asarray(about["transforms"].get(about["reference"], np.eye(4)), dtype=float))
    to_z = (to_grid @ from_scan @ native.affine)[2]
    axis = int(np.argmax(np.abs(native.affine[2, :3] / native.spacing)))
    middle = [(n - 1) / 2 for n in native.size]
    # Faces of the outermost slices, half a slice beyond their centres.
    faces = [[*middle[:axis], k, *middle[axis + 1 :], 1.0] for k in (first - 0.5, last + 0.5)]
    low, high = sorted(float(to_z @ np.asarray(face)) for face in faces)
    inside = 1e-3  # rounding of headers
    return max(0, int(np.ceil(low + inside))), min(depth - 1, int(np.floor(high - inside)))


def to_native(
    volume: NDArray, about: Mapping[str, Any], space: str | None = None, interpolation: str = "linear"
) -> nib.Nifti1Image:
    """Put a volume of the model grid onto the voxels of one of the subject's scans, in one resampling.

    Args:
        volume: Voxels ``[z, y, x]`` on the subject's model grid; any values.
        about: Metadata of the subject's file.
        space: Which scan's voxels; ``None`` takes the reference's.
        interpolation: ``linear``, ``bspline``, or ``nearest`` for label maps and masks.

    Returns:
        A NIfTI image with the scan's shape and affine; 0 outside the model grid. Its number type is the
        volume's, float16 widened to float32 and bool to uint8.

    Raises:
        InputError: The subject has no such scan.
    """
    space = space or about["reference"]
    grid = native_grid(about, space)
    kind = {np.dtype(bool): np.uint8, np.dtype(np.float16): np.float32}.get(volume.dtype, volume.dtype)
    image = image_on(volume.astype(kind), about["grid_affine"])
    from_scan = np.linalg.inv(np.asarray(about["transforms"].get(space, np.eye(4)), dtype=float))
    array = resample(image, grid, from_scan, interpolation)
    nifti = nib.Nifti1Image(array.transpose(2, 1, 0), grid.affine)
    nifti.header.set_xyzt_units("mm")
    return nifti


def masked_to_native(
    volume: NDArray,
    mask: NDArray[np.bool_],
    about: Mapping[str, Any],
    space: str | None = None,
    interpolation: str = "linear",
) -> tuple[nib.Nifti1Image, NDArray[np.bool_]]:
    """Put what is known inside a mask onto the voxels of one of the subject's scans.

    At the edge of the mask the mean is taken over what lies inside alone (normalised convolution; Knutsson and Westin,
    CVPR 1993): the zeros beyond do not darken it.

    Args:
        volume: Voxels ``[z, y, x]`` on the subject's model grid.
        mask: Where they mean something, ``[z, y, x]``.
        about: Metadata of the subject's file.
        space: Which scan's voxels; ``None`` takes the reference's.
        interpolation: ``linear`` or ``bspline``.

    Returns:
        A float32 NIfTI image with the scan's shape and affine, 0 outside the mask; and the mask there ``[x, y, z]``.

    Raises:
        InputError: The subject has no such scan.
    """
    inside = mask.astype(np.float32)
    values = to_native(volume.astype(np.float32) * inside, about, space, interpolation)
    share = np.asarray(to_native(inside, about, space).dataobj)
    there = share >= 0.5
    voxels = np.where(there, np.asarray(values.dataobj) / np.maximum(share, 0.5), 0.0)
    return nib.Nifti1Image(voxels.astype(np.float32), values.affine, values.header), there


def contrast_to_native(
    volume: NDArray,
    mask: NDArray[np.bool_],
    about: Mapping[str, Any],
    contrast: str,
    space: str | None = None,
    interpolation: str = "linear",
) -> nib.Nifti1Image:
    """Put a contrast in [0, 1] (real or imputed) back into native space, in scanner units where they are known.

    Args:
        volume: Values in [0, 1], ``[z, y, x]``.
        mask: The subject's foreground ``[z, y, x]``; outside it the result is 0.
        about: Metadata of the subject's file.
        contrast: Which contrast the volume is. If the subject was scanned with it, its intensity map is undone;
            an imputed contrast that never was scanned has no scanner units and stays in [0, 1].
        space: Which scan's voxels; ``None`` takes the contrast's own, or the reference's if it has none.
        interpolation: ``linear`` or ``bspline``.

    Returns:
        A float32 NIfTI image.

    Raises:
        InputError: The subject has no scan named ``space``.
    """
    if contrast in about["intensity"]:
        mapping = IntensityMap.of(about["intensity"][contrast])
        volume = np.where(mask, from_unit(volume.astype(np.float32), mapping), 0.0)
    space = space or (contrast if contrast in about["sources"] else about["reference"])
    return to_native(volume.astype(np.float32), about, space, interpolation)
