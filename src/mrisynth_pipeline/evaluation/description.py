"""What a subject's scans look like, to be compared with those that a model learned from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from torch import Tensor

from mrisynth_pipeline.evaluation.harness import hidden
from mrisynth_pipeline.evaluation.reconstruction import rows_of_subjects
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.familiarity import Familiarity
from mrisynth_pipeline.metrics.scan_features import brain_ml, scan_features
from mrisynth_pipeline.models.door import Imputer, impute_volume
from mrisynth_pipeline.sampling.availability import all_subsets, subset_name
from mrisynth_pipeline.sampling.slices import spread_slices
from mrisynth_pipeline.sampling.subjects import evenly_spread

SLICES = 4
"""Slices on which a 2D method imputes what is there already; fixed, for references and new subjects must agree."""


def describe_subject(
    volumes: Float[ArrayLike, "modality z y x"],
    mask: Bool[ArrayLike, "z y x"],
    about: Mapping[str, Any],
    method: Imputer | None = None,
    batch_size: int = 16,
    every_subset: bool = False,
) -> dict[str, float]:
    """Describe a subject's scans in numbers.

    Args:
        volumes: On the model grid, in [0, 1].
        mask: Foreground.
        about: The metadata of its file (:attr:`.SubjectFile.metadata`): ``modalities``, ``present``, ``grid_affine``
            and ``sources``.
        method: Imputes every contrast that is there from the others that are there, and says by that how far they go
            together as it has learned; ``None``, or fewer than two contrasts: this is left out.
        batch_size: Slices per forward pass of a 2D method.
        every_subset: Impute every contrast from every subset of the others, as a reference for subjects that lack some.

    Returns:
        See :data:`~mrisynth_pipeline.metrics.familiarity.Description`.
    """
    volumes, mask = np.asarray(volumes, dtype=np.float32), np.asarray(mask, dtype=bool)
    spacing = tuple(np.linalg.norm(np.asarray(about["grid_affine"], dtype=float)[:3, :3], axis=0).tolist())
    found = {"/brain_ml": brain_ml(mask, spacing)}
    for channel, name in enumerate(about["modalities"]):
        if about["present"][channel]:
            numbers = scan_features(volumes[channel], mask, spacing, about["sources"].get(name))
            found |= {f"{name}/{feature}": value for feature, value in numbers.items()}
    if method is not None and mask.any():
        present = torch.tensor(about["present"])
        found |= dict(_unlikeness(method, torch.from_numpy(volumes), mask, present, batch_size, every_subset))
    return found


def fit_familiarity(
    method: Imputer | None, store: SubjectStore, subjects: Sequence[str], count: int | None, batch_size: int = 16
) -> Familiarity:
    """What training subjects look like.

    Args:
        method: As in :func:`describe_subject`.
        store: The subject files.
        subjects: Training subjects; one that cannot be described is reported and left out.
        count: How many of them at most, evenly spread; ``None`` takes all.
        batch_size: Slices per forward pass of a 2D method.

    Raises:
        RuntimeError: Nobody could be described.
    """

    def describe(subject: str) -> list[dict]:
        file = store.open(subject)
        return [describe_subject(file.volumes(), file.mask(), file.metadata, method, batch_size, every_subset=True)]

    return Familiarity.to(rows_of_subjects("Describing the training scans", evenly_spread(subjects, count), describe))


def _unlikeness(
    method: Imputer,
    volumes: Float[Tensor, "modality z y x"],
    mask: Bool[np.ndarray, "z y x"],
    present: Bool[Tensor, " modality"],
    batch_size: int,
    every_subset: bool,
) -> Iterator[tuple[str, float]]:
    """Mean absolute error in the brain of contrasts that are there, imputed from others that are there."""
    if int(present.sum()) < 2:
        return
    if method.spatial_dims == 2:
        chosen = spread_slices(mask, SLICES)
        volumes, mask = volumes[:, chosen], mask[chosen]
    inside = torch.from_numpy(mask)
    for subset in all_subsets(len(present)):
        left = present & ~subset
        if (subset & ~present).any() or not left.any() or not (every_subset or int(left.sum()) == 1):
            continue
        targets = [channel for channel in left.nonzero()[:, 0].tolist() if method.covers(subset, channel)]
        if not targets:
            continue
        imputed = impute_volume(method, hidden(volumes, subset), subset, batch_size)
        inputs = subset_name(subset.tolist(), method.modalities)
        for channel in targets:
            error = (imputed[channel] - volumes[channel]).abs()[inside].mean()
            yield f"{method.modalities[channel]}/unlikeness/{inputs}", float(error)
