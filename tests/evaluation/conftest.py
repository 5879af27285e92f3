"""Smooth made-up brains whose contrasts are different functions of the same tissue."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject
from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder

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


@pytest.fixture(scope="session")
def incomplete_brains(tmp_path_factory, brains) -> SubjectStore:
    """``anna`` without pd, whose channel holds NaN, and ``bert`` with everything."""
    store = SubjectStore(tmp_path_factory.mktemp("incomplete"))
    affine = np.diag([*reversed(BRAIN_SPACING), 1.0])
    for name in ("anna", "bert"):
        file = brains.open(name)
        volumes, present = file.volumes(), (True, True, name == "bert")
        volumes[~np.array(present)] = np.nan
        write_subject(
            store.path(name),
            Subject(name, CONTRASTS, present, volumes, file.mask(), None, "t2", affine, {}, {}, {}, name),
        )
    return store


@pytest.fixture(scope="session")
def neuroquant() -> NeuroQuantAutoencoder:
    """A tiny one, trained just so much that the codebook has codes; a code for 4 voxels per axis, in windows."""
    torch.manual_seed(0)
    small = {
        "widths": (4, 8),
        "heads": 2,
        "encoder_attention": (2,),
        "decoder_attention": (),
        "anatomical_channels": 6,
        "style_channels": 5,
        "film_hidden": 8,
        "codebook_size": 16,
        "codebook_dim": 6,
        "window": (24, 24, 16),
        "overlap": 0.25,
        "gradient_checkpointing": False,
    }
    network = NeuroQuantAutoencoder(CONTRASTS, small)
    torch.nn.init.normal_(network.film.mlp[-1].weight, std=0.3)
    network(torch.rand(2, 1, 16, 16, 16), torch.tensor([0, 0]))
    return network.eval()
