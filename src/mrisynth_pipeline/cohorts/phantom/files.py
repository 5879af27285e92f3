"""Writing a subject so that a killed run can be resumed: whole files or none, and a marker of what is finished."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np

_MARKER = "subject.json"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name no reader picks up, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    """Write a gzipped NIfTI file with the dtype of the array, RAS affine in mm; same bytes for the same content."""
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    write_atomically(path, gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file, indented."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def fingerprint(content: dict) -> str:
    """SHA-256 of a JSON-ready dictionary."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def read_marker(truth_dir: Path) -> dict | None:
    """The marker of a subject's truth folder; ``None`` when there is none or it cannot be read."""
    try:
        return json.loads((truth_dir / _MARKER).read_text())
    except (OSError, ValueError):
        return None


def write_marker(truth_dir: Path, marker: dict) -> None:
    """Write the marker of a subject's truth folder."""
    write_json(truth_dir / _MARKER, marker)
