"""Random 3D patches of subject files for volumetric training."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from mrisynth_pipeline.imaging.subject_file import SubjectStore


class PatchDataset(Dataset):
    """Patches of labelled subjects, a share of them centred inside the tumour's bounding box.

    Items are asked for as ``(index, seed)``, one index per subject; which patch is drawn depends on the seed alone.
    An item holds ``images [modality, z, y, x]`` in [0, 1] and ``labels [z, y, x]``.

    Args:
        store: The subject files.
        subjects: Whose patches; each needs a label map.
        size: Patch size (z, y, x), at most that of the volumes.
        tumour_share: Probability that a patch is centred in the tumour's box rather than anywhere.
        random: False takes the patch around the middle of the tumour, unflipped, for validation.
    """

    def __init__(
        self,
        store: SubjectStore,
        subjects: Sequence[str],
        size: tuple[int, int, int],
        tumour_share: float = 0.5,
        random: bool = True,
    ) -> None:
        self.store, self.subjects, self.size = store, list(subjects), size
        self.tumour_share, self.random = tumour_share, random
        self._corners = {subject: _tumour_box(store.open(subject).segmentation()) for subject in self.subjects}

    def __len__(self) -> int:
        """Number of subjects."""
        return len(self.subjects)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        """One patch of the subject with this index, drawn and flipped left–right by the seed."""
        index, seed = key
        subject = self.subjects[index]
        file = self.store.open(subject)
        generator = np.random.default_rng(seed)
        low, high = self._corners[subject]
        centre = (low + high) / 2
        if self.random:
            whole = generator.random() >= self.tumour_share
            bounds = (np.zeros(3), np.array(file.shape[1:])) if whole else (low, high)
            centre = generator.uniform(*bounds)
        z, y, x = (
            slice(start, start + size)
            for start, size in zip(_start(centre, self.size, file.shape[1:]), self.size, strict=True)
        )
        images = torch.from_numpy(file.crop(z, y, x))
        labels = torch.from_numpy(file.segmentation()[z, y, x].astype(np.int64))
        if self.random and generator.random() < 0.5:
            images, labels = images.flip(-1), labels.flip(-1)
        return {"images": images, "labels": labels}


def _tumour_box(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last corner (z, y, x) of the tumour's bounding box, or of the volume if there is no tumour."""
    voxels = np.argwhere(labels > 0)
    if len(voxels) == 0:
        return np.zeros(3), np.array(labels.shape, float)
    return voxels.min(0).astype(float), voxels.max(0) + 1.0


def _start(centre: np.ndarray, size: Sequence[int], shape: Sequence[int]) -> list[int]:
    """First voxel of a patch around a centre, moved so that the patch lies inside the volume."""
    return [int(np.clip(round(c - n / 2), 0, full - n)) for c, n, full in zip(centre, size, shape, strict=True)]
