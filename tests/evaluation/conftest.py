"""Smooth made-up brains whose contrasts are different functions of the same tissue."""

import numpy as np
import pytest
from scipy import ndimage

from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject

CONTRASTS = ("t1", "t2", "pd")
BRAIN_SPACING = (4.0, 3.0, 3.0)
BRAIN_SHAPE = (32, 48, 40)


def made_brain(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three contrasts [modality, z, y, x] in [0, 1] and the mask: an ellipsoid with folds of tissue in it."""
    index = np.indices(BRAIN_SHAPE) - (np.array(BRAIN_SHAPE)[:, None, None, None] - 1) / 2
    mm = index * np.array(BRAIN_SPACING)[:, None, None, None]
    mask = ((mm / np.array([45.0, 58.0, 48.0])[:, None, None, None]) ** 2).sum(0) < 1
    noise = np.random.default_rng(seed).normal(size=BRAIN_SHAPE)
    tissue = ndimage.gaussian_filter(noise, 6.0 / np.array(BRAIN_SPACING))
    tissue = np.clip(0.5 + 0.25 * tissue / tissue[mask].std(), 0.02, 0.98)
    volumes = np.stack([tissue, 0.2 + 0.75 * (1 - tissue) ** 2, 0.5 + 0.4 * np.sin(4 * tissue)])
    return (volumes * mask).astype(np.float32), mask


@pytest.fixture(scope="session")
def brains(tmp_path_factory) -> SubjectStore:
    """Two such subjects, ``anna`` and ``bert``, and ``same``, whose contrasts are all alike."""
    store = SubjectStore(tmp_path_factory.mktemp("brains"))
    affine = np.diag([*reversed(BRAIN_SPACING), 1.0])
    for seed, name in enumerate(("anna", "bert", "same")):
        volumes, mask = made_brain(seed)
        if name == "same":
            volumes = volumes[[0, 0, 0]]
        present = (True,) * len(CONTRASTS)
        write_subject(
            store.path(name),
            Subject(name, CONTRASTS, present, volumes, mask, None, "t2", affine, {}, {}, {}, name),
        )
    return store
