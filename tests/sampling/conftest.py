"""A small store of subject files."""

import numpy as np
import pytest

from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject

MODALITIES = ("t1", "t2", "flair")


def make_subject(name: str, seed: int, *, shape: tuple[int, int, int] = (12, 16, 24), label: bool = True) -> Subject:
    """A subject whose brain is a box and whose voxels are all different."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    mask[2:-2, 3:-3, 4:-4] = True
    volumes = generator.random((3, *shape), dtype=np.float32) * mask
    labels = np.zeros(shape, np.uint8)
    labels[4:7, 5:8, 14:18] = 2
    labels[5:6, 6:7, 15:17] = 3
    return Subject(
        subject=name,
        modalities=MODALITIES,
        present=(True, True, True),
        volumes=volumes,
        mask=mask,
        segmentation=labels if label else None,
        reference="t1",
        grid_affine=np.eye(4),
        transforms={},
        intensity={},
        sources={},
        fingerprint=name,
    )


@pytest.fixture
def store(tmp_path) -> SubjectStore:
    """Three subjects, a to c."""
    subjects = SubjectStore(tmp_path)
    for seed, name in enumerate("abc"):
        write_subject(subjects.path(name), make_subject(name, seed))
    return subjects


@pytest.fixture
def unlabelled(store) -> str:
    """A fourth subject, without a label map."""
    write_subject(store.path("unlabelled"), make_subject("unlabelled", 3, label=False))
    return "unlabelled"
