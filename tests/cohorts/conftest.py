"""Small made-up archives: sound ones, and the means to break them."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

SHAPE = (10, 11, 12)
BRATS_SUFFIXES = ("t1n", "t1c", "t2w", "t2f")


def _voxels(path: Path) -> np.ndarray:
    """Different for every path, so that no two files are equal by accident."""
    generator = np.random.default_rng(list(str(path).encode()))
    return generator.integers(0, 1000, SHAPE).astype(np.int16)


@pytest.fixture
def write_scan():
    """Write one NIfTI file; the defaults make a sound scan of 1 mm voxels."""

    def write(path: Path, voxels=None, affine=None, image_class=nib.Nifti1Image) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        voxels = _voxels(path) if voxels is None else voxels
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) if affine is None else affine
        nib.save(image_class(voxels, affine), path)
        return path

    return write


@pytest.fixture
def write_brats(write_scan):
    """Write subjects of a BraTS 2023 archive: four scans and a label map each."""

    def write(root: Path, subjects=("BraTS-GLI-00001-000", "BraTS-GLI-00002-000")) -> Path:
        for subject in subjects:
            for suffix in BRATS_SUFFIXES:
                write_scan(root / subject / f"{subject}-{suffix}.nii.gz")
            labels = (_voxels(root / subject) % 4).astype(np.uint8)
            write_scan(root / subject / f"{subject}-seg.nii.gz", labels)
        return root

    return write


@pytest.fixture
def write_ixi(write_scan):
    """Write subjects of an IXI archive, one folder per contrast."""

    def write(root: Path, subjects=("IXI002-Guys-0828", "IXI012-HH-1211", "IXI035-IOP-0873")) -> Path:
        for subject in subjects:
            for contrast in ("T1", "T2", "PD"):
                write_scan(root / f"IXI-{contrast}" / f"{subject}-{contrast}.nii.gz")
        return root

    return write


@pytest.fixture(scope="session")
def table_of():
    """A manifest for (subject, patient, site) triples, without any files behind it."""

    def build(people: list[tuple[str, str, str]]) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "cohort": "made-up",
                    "subject": subject,
                    "patient": patient,
                    "session": "",
                    "site": site,
                    "modality": modality,
                    "path": f"{subject}-{modality}.nii.gz",
                    "raw_dir": "raw",
                    "spare": "",
                    "shape": "10x10x10",
                    "spacing_mm": "1.00x1.00x1.00",
                    "orientation": "RAS",
                    "intensity_min": 0.0,
                    "intensity_max": 1.0,
                    "sha256": hashlib.sha256(f"{subject} {modality}".encode()).hexdigest(),
                    "problems": "",
                }
                for subject, patient, site in people
                for modality in ("t1", "t2")
            ]
        )

    return build
