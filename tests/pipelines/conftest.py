"""A study of five small subjects: two contrasts, one subject without the second, labels for some."""

from typing import Any

import numpy as np
import pytest

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
