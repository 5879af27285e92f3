"""Writing a subject so that a killed run can be resumed: whole files or none, and a marker of what is finished."""

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)

_MARKER = "subject.json"
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name no reader picks up, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray, slope: float = 1.0) -> None:
    """Write a gzipped NIfTI file; the same content gives the same bytes.

    Args:
        path: Where to.
        values: Stored values ``[i, j, k]``; their dtype is the file's.
        affine: Voxel index → world (RAS, mm).
        slope: Factor from stored to true values.
    """
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(slope, 0.0)  # a set slope also keeps nibabel from rescaling the values
    write_atomically(path, gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def write_nrrd(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    """Write a compressed NRRD file as 3D Slicer does, in LPS.

    Args:
        path: Where to.
        values: Voxels ``[i, j, k]``; their dtype is the file's.
        affine: Voxel index → world (RAS, mm).
    """
    lps = _LPS_FROM_RAS @ affine
    spacing = nib.affines.voxel_sizes(lps)
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    _write_by_itk(path, lambda there: sitk.WriteImage(image, there, useCompression=True))


def write_transform(path: Path, matrix: np.ndarray) -> None:
    """Write an ITK affine transform (LPS) of a 4x4 matrix between RAS points, mm."""
    lps = _LPS_FROM_RAS @ matrix @ _LPS_FROM_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    _write_by_itk(path, lambda there: sitk.WriteTransform(transform, there))


def _write_by_itk(path: Path, write: Callable[[str], None]) -> None:
    """ITK takes the format from the suffix: written elsewhere under the right name, then moved in as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder, path.name)
        write(str(there))
        write_atomically(path, there.read_bytes())


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file, indented."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def fingerprint(content: dict) -> str:
    """SHA-256 of a JSON-ready dictionary."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def read_marker(truth: Path) -> dict | None:
    """The marker of a subject's truth folder; ``None`` where there is none or it is not one."""
    try:
        marker = json.loads((truth / _MARKER).read_text())
    except (OSError, ValueError):
        return None
    return marker if marker.keys() >= {"complete", "fingerprint", "scans"} else None


def write_marker(truth: Path, marker: dict) -> None:
    """Write the marker of a subject's truth folder: ``complete``, ``fingerprint``, ``scans`` (rows), ``transforms``."""
    write_json(truth / _MARKER, marker)
