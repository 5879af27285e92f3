"""Small studies: five subjects with two contrasts (one lacks the second, some have labels), and six with three."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject

MODALITIES = ("t1", "t2")
SHAPE = (6, 16, 24)  # z, y, x


@pytest.fixture
def subjects(tmp_path) -> SubjectStore:
    """Subjects a to e; "b" lacks T2, "d" has the larger tumour, "a" and "b" have no label map."""
    store = SubjectStore(tmp_path / "subjects")
    for number, name in enumerate("abcde"):
        mask = np.zeros(SHAPE, bool)
        mask[1:-1, 2:-2, 2:-2] = True
        volumes = np.random.default_rng(number).random((2, *SHAPE), dtype=np.float32) * mask
        present = (True, name != "b")
        labels = np.zeros(SHAPE, np.uint8)
        labels[3, 4 : (10 if name == "d" else 6), 5:8] = 2
        write_subject(
            store.path(name),
            Subject(
                subject=name,
                modalities=MODALITIES,
                present=present,
                volumes=volumes * np.asarray(present)[:, None, None, None],
                mask=mask,
                segmentation=None if name in "ab" else labels,
                reference="t1",
                grid_affine=np.eye(4),
                transforms={},
                intensity={},
                sources={},
                fingerprint=name,
            ),
        )
    return store


@pytest.fixture
def study() -> dict[str, Any]:
    """What `describe_study` says of these subjects."""
    return {
        "cohort": "brats",
        "phantom": False,
        "modalities": list(MODALITIES),
        "grid": {"size": list(reversed(SHAPE)), "spacing_mm": [1.0, 1.0, 1.0]},
        "intensity": {"method": "percentile", "standard": {}, "mapping": "percentiles inside the mask to 0 and 1"},
        "train": ["a", "b"],
        "validation": ["c"],
        "test": ["d", "e"],
        "complete": ["a", "c", "d", "e"],
        "labelled": ["c", "d", "e"],
        "slice_windows": {},
        "data_fingerprint": "scans",
        "fingerprint": "files",
    }


THREE = ("t1", "t2", "pd")
THREE_SHAPE = (8, 32, 32)  # z, y, x: slices of the discriminator's smallest size


@pytest.fixture
def trio(tmp_path) -> SubjectStore:
    """Subjects a to f, of whom each has t1, t2 = 1 − t1 and pd = t1² inside a box."""
    store = SubjectStore(tmp_path / "trio")
    mask = np.zeros(THREE_SHAPE, bool)
    mask[1:-1, 4:-4, 4:-4] = True
    for number, name in enumerate("abcdef"):
        noise = gaussian_filter(np.random.default_rng(number).random(THREE_SHAPE), 2)
        t1 = (noise - noise.min()) / np.ptp(noise)
        volumes = (np.stack([t1, 1 - t1, t1**2]) * mask).astype(np.float32)
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        subject = Subject(name, THREE, (True,) * 3, volumes, mask, None, "t1", affine, {}, {}, {}, name)
        write_subject(store.path(name), subject)
    return store


@pytest.fixture
def trio_study(study) -> dict[str, Any]:
    """What `describe_study` would say of them."""
    return study | {
        "modalities": list(THREE),
        "grid": {"size": list(reversed(THREE_SHAPE)), "spacing_mm": [2.0, 2.0, 2.0]},
        "train": ["a", "b"],
        "validation": ["c"],
        "test": ["d", "e", "f"],
        "complete": list("abcdef"),
        "labelled": [],
    }
