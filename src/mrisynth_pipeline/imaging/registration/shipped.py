"""Transforms that come with an archive's scans."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.archives.scan_files import IDENTITY
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.geometry import ras_matrix

Way = str | tuple[str, ...]
"""One or more ITK files (``.tfm``, ``.txt``, ``.mat``, ``.h5``) that one after another map a scan's points to the space
that its subject's scans share; ``"identity"`` for the scan that is that space, ``""`` where none came."""


def files_of(way: Way) -> tuple[str, ...]:
    """The files of a way, in the order that a point goes through them."""
    if isinstance(way, tuple):
        return way
    return () if way in ("", IDENTITY) else (way,)


def shipped_matrix(reference: Way, scan: Way) -> NDArray[np.float64] | None:
    """How a scan's points follow from the reference's, by the transforms that came with both.

    Args:
        reference: The reference's way to the shared space.
        scan: The scan's.

    Returns:
        4×4 RAS matrix from reference world points to the scan's world points, in mm: to the shared space by the
        reference's way, and from there by the inverse of the scan's. ``None`` unless both have one.

    Raises:
        InputError: A file cannot be read, or holds no linear and invertible transform.
    """
    if not (reference and scan):
        return None
    return np.linalg.inv(_to_shared(scan)) @ _to_shared(reference)


def _to_shared(way: Way) -> NDArray[np.float64]:
    """The 4×4 RAS matrix of a whole way."""
    matrix = np.eye(4)
    for path in files_of(way):
        matrix = _matrix_in(path) @ matrix
    return matrix


def _matrix_in(path: str) -> NDArray[np.float64]:
    """The 4×4 RAS matrix in an ITK transform file."""
    remedy = "Repair it, or remove it to have the scan registered"
    if not Path(path).is_file():
        raise InputError(path, "there is no such transform file", remedy)
    try:
        transform = sitk.ReadTransform(path)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(path, f"it cannot be read as an ITK transform ({reason})", remedy) from error
    if transform.GetDimension() != 3 or not transform.IsLinear():
        raise InputError(path, "the transform is not a linear one of three dimensions", remedy)
    matrix = ras_matrix(transform)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
        raise InputError(path, "the transform cannot be inverted", remedy)
    return matrix
