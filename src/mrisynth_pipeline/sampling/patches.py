"""Random 3D patches of subject files for volumetric training."""

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from pydantic import Field
from scipy.ndimage import find_objects
from torch.utils.data import Dataset

from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.sampling.augmentation import AugmentationParameters, patch_flips
from mrisynth_pipeline.sampling.availability import draw_subsets

Box = tuple[np.ndarray, np.ndarray]
"""First and last corner (z, y, x) of a box; the last lies just outside."""


class ImagePatches(Dataset):
    """Patches of subjects' images, centred anywhere in the brain's box, a share of them in the tumour's.

    Items are asked for as ``(index, seed)``, one index per subject; which patch is drawn depends on the seed alone.
    An item holds ``images [modality, z, y, x]`` in [0, 1] and ``present [modality]``.

    Args:
        store: The subject files.
        subjects: Whose patches.
        size: Patch size (z, y, x), at most that of the volumes.
        tumour_share: Probability that a patch is centred in the tumour's box, in subjects whose tumour is labelled.
        flips: Probability of mirroring per axis of ``images``, such as ``{-1: 0.5}`` for left–right.
        random: False takes the middle patch of each subject, unflipped, for validation: that of its tumour, if
            ``tumour_share`` asks for tumours, else that of its brain.
    """

    def __init__(
        self,
        store: SubjectStore,
        subjects: Sequence[str],
        size: tuple[int, int, int],
        tumour_share: float = 0.0,
        flips: Mapping[int, float] | None = None,
        random: bool = True,
    ) -> None:
        self.store, self.subjects, self.size = store, list(subjects), size
        self.tumour_share, self.flips, self.random = tumour_share, dict(flips or {}), random
        self._boxes = {subject: self._find_boxes(store.open(subject)) for subject in self.subjects}

    def _find_boxes(self, file: SubjectFile) -> tuple[Box, Box]:
        """Where any patch may be centred, and where the share of the tumour is."""
        brain = _box(file.mask()) or _whole(file)
        labels = file.segmentation() if self.tumour_share else None
        return brain, (None if labels is None else _box(labels > 0)) or brain

    def _draw(self, key: tuple[int, int]) -> tuple[SubjectFile, tuple[slice, slice, slice], list[int]]:
        """The subject of an index, the block (z, y, x) that the seed draws, and the axes to mirror."""
        index, seed = key
        subject = self.subjects[index]
        file = self.store.open(subject)
        anywhere, focus = self._boxes[subject]
        if not self.random:
            return file, _block((focus[0] + focus[1]) / 2, self.size, file.shape[1:]), []
        generator = np.random.default_rng(seed)
        box = anywhere if generator.random() >= self.tumour_share else focus
        block = _block(generator.uniform(*box), self.size, file.shape[1:])
        return file, block, [axis for axis, probability in self.flips.items() if generator.random() < probability]

    def __len__(self) -> int:
        """Number of subjects."""
        return len(self.subjects)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        """One patch of the subject with this index, drawn and mirrored by the seed."""
        file, block, mirrored = self._draw(key)
        images = torch.from_numpy(file.crop(*block)).flip(mirrored)
        return {"images": images, "present": torch.as_tensor(file.present)}


class PatchDataset(ImagePatches):
    """Patches of labelled subjects for segmentation: background counts too, so they lie anywhere in the volume.

    An item holds ``images [modality, z, y, x]`` in [0, 1] and ``labels [z, y, x]``; half are mirrored left for right.

    Args:
        store: The subject files.
        subjects: Whose patches; each needs a label map.
        size: Patch size (z, y, x), at most that of the volumes.
        tumour_share: Probability that a patch is centred in the box of what is labelled (the tumour) rather than
            anywhere.
        random: False takes the patch around the middle of what is labelled, unflipped and with every contrast, for
            validation.
        maps: Subject → label map ``[z, y, x]`` on its grid, such as its tissues; ``None``: the tumour label maps of the
            files.
        modality_dropout: Share of the patches in which contrasts are blank (0): some but not all of them, uniform over
            all such subsets. Decided by the seed, and by a stream of its own: where a patch lies does not depend on it.
            No effect on a single contrast.
    """

    def __init__(
        self,
        store: SubjectStore,
        subjects: Sequence[str],
        size: tuple[int, int, int],
        tumour_share: float = 0.5,
        random: bool = True,
        maps: Mapping[str, UInt8[np.ndarray, "z y x"]] | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        self.maps, self.modality_dropout = maps, modality_dropout
        super().__init__(store, subjects, size, tumour_share, {-1: 0.5}, random)

    def _labels(self, file: SubjectFile) -> np.ndarray:
        return file.segmentation() if self.maps is None else self.maps[file.metadata["subject"]]

    def _find_boxes(self, file: SubjectFile) -> tuple[Box, Box]:
        return _whole(file), _box(self._labels(file) > 0) or _whole(file)

    def _kept(self, seed: int, count: int) -> Bool[torch.Tensor, " modality"]:
        """Which of the contrasts of a patch are not blank."""
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence((seed, 1)).generate_state(1)[0]))
        blanks = self.random and count > 1 and float(torch.rand((), generator=generator)) < self.modality_dropout
        return draw_subsets(1, count, generator)[0] if blanks else torch.ones(count, dtype=torch.bool)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        """One patch of the subject with this index, drawn and mirrored by the seed."""
        file, block, mirrored = self._draw(key)
        images = torch.from_numpy(file.crop(*block)).flip(mirrored)
        labels = torch.from_numpy(self._labels(file)[block].astype(np.int64)).flip(mirrored)
        return {"images": images * self._kept(key[1], len(images))[:, None, None, None], "labels": labels}


class PatchParameters(Parameters):
    """Which 3D patches a training of imputation draws, and how they are varied."""

    augmentation: AugmentationParameters = AugmentationParameters()
    """Transforms of the training samples; patches take the flips alone."""
    patch_size: tuple[int, int, int] = (96, 96, 96)
    """Training patch (x, y, z) in voxels; cut to the model grid where that is smaller. No effect on 2D training."""
    tumour_share: float = Field(0.0, ge=0.0, le=1.0)
    """Probability that a patch is centred in the tumour's box, in subjects whose tumour is labelled, rather than
    anywhere in the brain's. No effect on 2D training."""


def patch_samples(
    store: SubjectStore, subjects: Sequence[str], parameters: PatchParameters, augmented: bool = True
) -> ImagePatches:
    """The patches of some subjects as the parameters of a training ask for them.

    Args:
        store: The subject files, all on the same grid.
        subjects: Whose patches; may be empty.
        parameters: Which patches, and the augmentation.
        augmented: False for validation.

    Raises:
        ValueError: If an augmentation is on that only slices can have.
    """
    flips = patch_flips(parameters.augmentation) if augmented else {}
    size = _within(parameters.patch_size, store, subjects)
    return ImagePatches(store, subjects, size, parameters.tumour_share, flips, random=augmented)


def middle_windows(store: SubjectStore, subjects: Sequence[str], window: tuple[int, int, int] | None) -> ImagePatches:
    """The window (x, y, z) in the middle of each subject's brain, as the scans are; ``None``: whole volumes."""
    return ImagePatches(store, subjects, _within(window or (sys.maxsize,) * 3, store, subjects), random=False)


def _within(patch_size: tuple[int, int, int], store: SubjectStore, subjects: Sequence[str]) -> tuple[int, int, int]:
    """A size (x, y, z) as (z, y, x), cut to the grid that the subjects are on."""
    size = patch_size[::-1]
    return tuple(map(min, size, store.open(subjects[0]).shape[1:])) if subjects else size


def subjects_with(store: SubjectStore, subjects: Sequence[str], at_least: int) -> list[str]:
    """Those of the subjects that were scanned with at least so many of the contrasts."""
    return [subject for subject in subjects if int(store.open(subject).present.sum()) >= at_least]


def _box(inside: np.ndarray) -> Box | None:
    """Bounding box of the voxels [z, y, x] that are true, if there are any."""
    found = find_objects(inside.astype(np.uint8))
    if not found:
        return None
    return np.array([axis.start for axis in found[0]], float), np.array([axis.stop for axis in found[0]], float)


def _whole(file: SubjectFile) -> Box:
    return np.zeros(3), np.array(file.shape[1:], float)


def _block(centre: np.ndarray, size: Sequence[int], shape: Sequence[int]) -> tuple[slice, slice, slice]:
    """The patch around a centre, moved so that it lies inside the volume; all (z, y, x)."""
    starts = [int(np.clip(round(c - n / 2), 0, full - n)) for c, n, full in zip(centre, size, shape, strict=True)]
    return tuple(slice(start, start + n) for start, n in zip(starts, size, strict=True))
