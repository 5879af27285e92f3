"""Axial slices of subject files as training samples."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.sampling.augmentation import SliceAugmentation


def brain_slices(mask: np.ndarray, minimum_area: float) -> np.ndarray:
    """Indices of the axial slices whose brain fills at least a share of the slice.

    Args:
        mask: Brain mask [z, y, x].
        minimum_area: Smallest share of a slice's pixels, in [0, 1].
    """
    return np.flatnonzero(mask.mean(axis=(1, 2)) >= max(minimum_area, np.finfo(float).tiny))


class SliceDataset(Dataset):
    """Slice stacks read straight from memory-mapped subject files; nothing is copied per slice.

    Items are asked for as ``(index, seed)``, so that augmentation depends on the seed alone, not on which worker
    process reads the slice. An item holds ``images [modality, y, x]`` in [0, 1] and ``present [modality]``.

    Args:
        store: The subject files.
        subjects: Whose slices.
        minimum_area: See :func:`brain_slices`.
        augment: Applied to every slice; ``None`` for validation.
    """

    def __init__(
        self,
        store: SubjectStore,
        subjects: Sequence[str],
        minimum_area: float,
        augment: SliceAugmentation | None = None,
    ) -> None:
        self.store, self.augment = store, augment
        self.items = [
            (subject, int(z)) for subject in subjects for z in brain_slices(store.open(subject).mask(), minimum_area)
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


class StepBatches(Sampler[list[tuple[int, int]]]):
    """Batches of ``(index, seed)`` for a fixed number of steps; batch k depends on (seed, k) alone.

    The stream runs through one random permutation of the items after the other. A resumed run starts at ``start`` and
    sees exactly the batches that it would have seen.

    Args:
        n_items: Length of the dataset.
        batch_size: Items per batch.
        steps: Batches of the whole training.
        seed: Seed of the stream.
        start: First batch to give out.
    """

    def __init__(self, n_items: int, batch_size: int, steps: int, seed: int, start: int = 0) -> None:
        self.n_items, self.batch_size, self.steps, self.seed, self.start = n_items, batch_size, steps, seed, start

    def __len__(self) -> int:
        """Batches left to give out."""
        return max(self.steps - self.start, 0)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """The batches from ``start`` on."""
        epoch, order = -1, np.empty(0, int)
        for step in range(self.start, self.steps):
            batch = []
            for position in range(step * self.batch_size, (step + 1) * self.batch_size):
                if position // self.n_items != epoch:
                    epoch = position // self.n_items
                    order = np.random.default_rng((self.seed, epoch)).permutation(self.n_items)
                draw = int(np.random.SeedSequence((self.seed, position)).generate_state(1)[0])
                batch.append((int(order[position % self.n_items]), draw))
            yield batch


def fixed_batches(n_items: int, batch_size: int, maximum: int) -> list[list[tuple[int, int]]]:
    """The same evenly spread items in every validation, in batches.

    Args:
        n_items: Length of the dataset.
        batch_size: Items per batch.
        maximum: Most items to take.
    """
    chosen = np.linspace(0, n_items - 1, min(maximum, n_items)).astype(int)
    return [[(int(i), 0) for i in chosen[at : at + batch_size]] for at in range(0, len(chosen), batch_size)]
