"""A small phantom cohort as from the scanner, and tiny skull-stripped archives written on the spot."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.manifest import build_manifest
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.cohort import fabricate_cohort
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters

GLIOMA = ("t1", "t1c", "t2", "flair")


@dataclass(frozen=True)
class Archive:
    """A fabricated archive and the truth beside it."""

    raw_dir: Path
    manifest: pd.DataFrame

    def scans(self, subject: str) -> dict[str, Path]:
        rows = self.manifest[self.manifest["subject"] == subject]
        return {row.modality: self.raw_dir / row.path for row in rows.itertuples()}

    @property
    def subjects(self) -> list[str]:
        return sorted(self.manifest["subject"].unique())

    def truth(self, subject: str) -> Path:
        return self.raw_dir.with_name(self.raw_dir.name + "-truth") / subject

    def motion(self, subject: str, reference: str, scan: str) -> np.ndarray:
        """True 4×4 RAS matrix from the reference's world points to the scan's."""
        to_scan = json.loads((self.truth(subject) / "transforms.json").read_text())["transforms"]
        return np.asarray(to_scan[scan]) @ np.linalg.inv(to_scan[reference])

    def brain_points(self, subject: str, scan: str, every: int = 50) -> np.ndarray:
        """Points of the brain in a scan's world, RAS mm."""
        brain = nib.load(self.truth(subject) / "brain.nii.gz")
        points = nib.affines.apply_affine(brain.affine, np.argwhere(np.asarray(brain.dataobj))[::every])
        to_scan = json.loads((self.truth(subject) / "transforms.json").read_text())["transforms"]
        return nib.affines.apply_affine(np.asarray(to_scan[scan]), points)


@pytest.fixture(scope="session")
def heads(tmp_path_factory) -> Archive:
    """Two glioma patients of 3 mm voxels with heads, necks and motion of up to 5 mm and 5° per axis."""
    raw_dir = tmp_path_factory.mktemp("phantom") / "glioma"
    fabricate_cohort(PhantomParameters(n_subjects=2, spacing_mm=3.0), False, raw_dir, workers=1)
    return Archive(raw_dir, build_manifest("phantom", "brats", raw_dir, registered=False))


def small_parameters(**changes) -> PreprocessingParameters:
    """A 16³ grid of 4 mm voxels, one process."""
    grid = GridParameters(size=(16, 16, 16), spacing_mm=(4.0, 4.0, 4.0))
    return PreprocessingParameters(**{"grid": grid, "workers": 1, **changes})


@pytest.fixture
def small() -> PreprocessingParameters:
    return small_parameters()


def stripped_volume(seed: int, size: int = 20) -> np.ndarray:
    """A skull-stripped 'brain': a ball of values between 100 and 1100 in zeros, [x, y, z]."""
    index = np.indices((size,) * 3) - (size - 1) / 2
    inside = np.linalg.norm(index, axis=0) < size * 0.35
    values = np.random.default_rng(seed).uniform(100, 1100, (size,) * 3)
    return np.where(inside, values, 0).astype(np.float32)


@pytest.fixture
def write_archive(tmp_path):
    """Write subjects of 20³ voxels of 4 mm with t1 and t2, skull-stripped; returns their manifest."""

    def write(subjects=("a", "b", "c"), contrasts=("t1", "t2")) -> pd.DataFrame:
        rows = []
        for number, subject in enumerate(subjects):
            for offset, contrast in enumerate(contrasts):
                path = tmp_path / "raw" / f"{subject}-{contrast}.nii.gz"
                path.parent.mkdir(exist_ok=True)
                volume = stripped_volume(10 * number + offset)
                nib.save(nib.Nifti1Image(volume, np.diag([4.0, 4.0, 4.0, 1.0])), path)
                rows.append(
                    {
                        "cohort": "made",
                        "subject": subject,
                        "modality": contrast,
                        "raw_dir": str(path.parent),
                        "path": path.name,
                        "volume": "",
                        "registered": "yes",
                        "labels": "",
                        "transform": "",
                        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                        "problems": "",
                    }
                )
        return pd.DataFrame(rows)

    return write
