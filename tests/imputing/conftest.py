"""Small scans of a made-up laboratory."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SHAPE = (20, 20, 20)
AFFINE = np.diag([6.0, 6.0, 6.0, 1.0])


@pytest.fixture
def put():
    """Write a skull-stripped ball of values that are other ones for every path, or the voxels given."""

    def write(path: Path, voxels=None, affine=AFFINE) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if voxels is None:
            radius = np.linalg.norm(np.indices(SHAPE) - 9.5, axis=0)
            values = np.random.default_rng(list(str(path).encode())).uniform(100, 1000, SHAPE)
            voxels = np.where(radius < 8, values, 0).astype(np.float32)
        nib.save(nib.Nifti1Image(voxels, affine), path)
        return path

    return write
