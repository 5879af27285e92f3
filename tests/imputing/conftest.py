"""Small scans of a made-up laboratory."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from mrisynth_pipeline.evaluation.calibration import fit_expected_error
from mrisynth_pipeline.evaluation.description import fit_familiarity
from mrisynth_pipeline.evaluation.parameters import PackagingParameters
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import SubjectStore, write_subject
from mrisynth_pipeline.models.baselines import LinearRegression
from mrisynth_pipeline.models.packaging import TrainedModel, save_model

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


def lab_head(seed: int) -> dict[str, np.ndarray]:
    """Three contrasts of one skull-stripped 'head', [x, y, z], whole numbers: t2 and flair follow from t1, up to noise.

    An odd one out marks the right side: a bright ball at high x.
    """
    rng = np.random.default_rng(seed)
    x, y, z = np.indices(SHAPE) - 9.5
    inside = np.sqrt(x**2 + y**2 + z**2) < 8
    t1 = 500 + 150 * np.sin(x / (2 + 0.2 * rng.random())) * np.cos(y / 3) + 60 * rng.standard_normal(SHAPE)
    t1 = t1 + 300 * (np.sqrt((x - 4) ** 2 + y**2 + z**2) < 2)
    noise = [30 * rng.standard_normal(SHAPE) for _ in range(2)]
    scans = {"t1": t1, "t2": 1500 - 1.3 * t1 + noise[0], "flair": 200 + 0.9 * t1 + noise[1]}
    return {name: np.where(inside, values.clip(1, 3000), 0).astype(np.int16) for name, values in scans.items()}


@pytest.fixture
def lab(tmp_path, put):
    """Write a BIDS dataset: subject → its contrasts; returns its folder."""
    suffixes = {"t1": "T1w", "t2": "T2w", "flair": "FLAIR"}

    def write(subjects: dict[str, tuple[str, ...]], affine=AFFINE) -> Path:
        root = tmp_path / "study"
        for number, (subject, contrasts) in enumerate(subjects.items()):
            head = lab_head(100 + number)
            for name in contrasts:
                put(root / f"sub-{subject}" / "anat" / f"sub-{subject}_{suffixes[name]}.nii.gz", head[name], affine)
        return root

    return write


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    """A linear regression on six such heads, packaged as a trained method is: a model folder."""
    folder = tmp_path_factory.mktemp("package")
    parameters = PreprocessingParameters(
        grid=GridParameters(size=(16, 16, 16), spacing_mm=(6.0, 6.0, 6.0)), workers=1, storage="float32"
    )
    modalities, store = ("t1", "t2", "flair"), SubjectStore(folder / "subjects")
    for seed in range(6):
        scans = {}
        for name, voxels in lab_head(seed).items():
            scans[name] = folder / f"{seed}_{name}.nii.gz"
            nib.save(nib.Nifti1Image(voxels, AFFINE), scans[name])
        sources = {name: ScanSource.of(path) for name, path in scans.items()}
        name = f"s{seed}"
        write_subject(store.path(name), preprocess_subject(name, sources, modalities, parameters, True))
    network, train = LinearRegression(modalities), [f"s{seed}" for seed in range(4)]
    for name in train:
        file = store.open(name)
        network.accumulate(torch.from_numpy(file.volumes()), torch.from_numpy(file.present))
    packaging = PackagingParameters(subjects=2, slices=8, voxels=400, n_samples=2)
    card = {
        "modalities": list(modalities),
        "grid": parameters.grid.model_dump(mode="json"),
        "intensity": {**parameters.intensity.model_dump(mode="json"), "standard": {}, "mapping": ""},
        "training_data": {"cohort": "balls", "synthetic": False, "subjects": 4, "fingerprint": "f"},
        "date": "2026-11-27",
        "software": "these tests",
        "package": {"version": 1, "planes": "auto"},
        "preprocessing": parameters.result_fields(),
        "units": {name: {"scanner": [0.0, 2000.0], "unit": [0.0, 1.0]} for name in modalities[:2]},
        "doubt": fit_expected_error(network, store, ["s4", "s5"], train, packaging).record(),
        "familiarity": fit_familiarity(network, store, train, None).record(),
    }
    save_model(TrainedModel(network.eval(), card), folder / "package")
    return folder / "package"
