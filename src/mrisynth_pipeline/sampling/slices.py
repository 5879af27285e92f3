"""Axial slices of subject files as training samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Integer
from pydantic import Field
from torch.utils.data import Dataset

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.sampling.augmentation import AugmentationParameters, SliceAugmentation

SliceWindows = Mapping[str, Sequence[int]]
"""Subject → first and last axial slice (inclusive) that a published study used; subjects without one have them all."""


def brain_slices(mask: np.ndarray, minimum_area: float, window: Sequence[int] | None = None) -> np.ndarray:
    """Indices of the axial slices that count.

    Args:
        mask: Brain mask [z, y, x].
        minimum_area: Smallest share of a slice's pixels that the brain must fill, in [0, 1].
        window: First and last slice (inclusive) of a published list: these and no others, however much brain they
            show.
    """
    if window is not None:
        return np.arange(window[0], window[1] + 1)
    return np.flatnonzero(mask.mean(axis=(1, 2)) >= max(minimum_area, np.finfo(float).tiny))


def spread_slices(mask: Bool[np.ndarray, "z y x"], count: int | None = None) -> np.ndarray:
    """Indices of axial slices evenly spread over those that hold at least a fifth of the largest slice's brain.

    Args:
        mask: Brain.
        count: How many at most; ``None`` takes all of them.
    """
    area = mask.sum(axis=(1, 2))
    inside = np.flatnonzero((area > 0) & (area >= 0.2 * area.max()))
    if count is None or count >= len(inside):
        return inside
    return inside[np.linspace(0, len(inside) - 1, count + 2).round().astype(int)[1:-1]]


def telling_slice(mask: Bool[np.ndarray, "z y x"], segmentation: Integer[np.ndarray, "z y x"] | None = None) -> int:
    """Index of the axial slice to show: most tumour core, else most tumour, else most brain.

    Args:
        mask: Brain mask.
        segmentation: Internal tumour labels, if the subject has them.
    """
    if segmentation is not None:
        for labels in ((1, 3), (2,)):
            area = np.isin(segmentation, labels).sum(axis=(1, 2))
            if area.any():
                return int(area.argmax())
    return int(mask.sum(axis=(1, 2)).argmax())


class SliceDataset(Dataset):
    """Slice stacks read straight from memory-mapped subject files; nothing is copied per slice.

    Items are asked for as ``(index, seed)``, so that augmentation depends on the seed alone, not on which worker
    process reads the slice. An item holds ``images [modality, y, x]`` in [0, 1] and ``present [modality]``.

    Args:
        store: The subject files.
        subjects: Whose slices.
        minimum_area: See :func:`brain_slices`.
        windows: See :data:`SliceWindows`.
        augment: Applied to every slice; ``None`` for validation.
    """

    def __init__(
        self,
        store: SubjectStore,
        subjects: Sequence[str],
        minimum_area: float,
        windows: SliceWindows,
        augment: SliceAugmentation | None = None,
    ) -> None:
        self.store, self.augment = store, augment
        self.items = [
            (subject, int(z))
            for subject in subjects
            for z in brain_slices(store.open(subject).mask(), minimum_area, windows.get(subject))
        ]
        self._open: dict[str, Any] = {}

    def __len__(self) -> int:
        """Number of slices."""
        return len(self.items)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        """The slice of an index, augmented by a seed."""
        index, seed = key
        subject, z = self.items[index]
        if subject not in self._open:
            self._open[subject] = self.store.open(subject)
        file = self._open[subject]
        images = torch.from_numpy(file.slice(z))
        if self.augment is not None:
            images = self.augment(images, seed)
        return {"images": images, "present": torch.as_tensor(file.present)}

    def __getstate__(self) -> dict[str, Any]:
        """Open files stay behind when the dataset travels to a worker process."""
        return self.__dict__ | {"_open": {}}


class SliceParameters(Parameters):
    """Which slices a training draws, and how they are varied."""

    augmentation: AugmentationParameters = AugmentationParameters()
    """Transforms of the training slices."""
    minimum_brain_area: float = Field(0.05, ge=0.0, lt=1.0)
    """Slices whose brain fills a smaller share of the slice are not trained on."""


def slice_samples(
    store: SubjectStore,
    subjects: Sequence[str],
    parameters: SliceParameters,
    windows: SliceWindows,
    augmented: bool = True,
) -> SliceDataset:
    """The slices of some subjects as the parameters of a training ask for them.

    Args:
        store: The subject files.
        subjects: Whose slices; may be empty.
        parameters: Which slices, and the augmentation.
        windows: See :data:`SliceWindows`.
        augmented: False for validation.
    """
    augment = None
    if augmented and subjects:
        augment = SliceAugmentation(parameters.augmentation, store.open(subjects[0]).shape[2:])
    return SliceDataset(store, subjects, parameters.minimum_brain_area, windows, augment)
