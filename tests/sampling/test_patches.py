"""Patches for imputation: where they lie, and which augmentation they take."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.sampling.augmentation import AugmentationParameters, patch_flips
from mrisynth_pipeline.sampling.patches import (
    ImagePatches,
    PatchDataset,
    PatchParameters,
    middle_windows,
    patch_samples,
)


def flips(**options) -> AugmentationParameters:
    """No transform but the flips that are asked for."""
    none = dict.fromkeys(("flip_left_right", "flip_anterior_posterior", "rotate90", "affine", "elastic"), False)
    return AugmentationParameters(**none | options)


def place(volumes: np.ndarray, patch: torch.Tensor) -> np.ndarray:
    """First voxel (z, y, x) of an unflipped patch: every voxel of the brain has a value of its own."""
    inside = np.argwhere(patch[0].numpy() > 0)[0]
    return np.argwhere(volumes[0] == patch[0].numpy()[tuple(inside)])[0] - inside


def test_image_patches_are_cut_from_the_volumes_around_any_point_of_the_brain(store):
    dataset, volumes = ImagePatches(store, ["a"], size=(4, 4, 4)), store.open("a").volumes()
    corners = []
    for seed in range(150):
        sample = dataset[0, seed]
        assert set(sample) == {"images", "present"}
        assert sample["present"].tolist() == [True, True, True]
        z, y, x = corner = place(volumes, sample["images"])
        assert np.array_equal(sample["images"].numpy(), volumes[:, z : z + 4, y : y + 4, x : x + 4])
        corners.append(corner)
    # The brain's box goes from (2, 3, 4) to (10, 13, 20): so do the middles of the patches.
    assert (np.min(corners, axis=0) == [0, 1, 2]).all()
    assert (np.max(corners, axis=0) == [8, 11, 18]).all()
    assert torch.equal(dataset[0, 7]["images"], dataset[0, 7]["images"])


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 15), (0.5, 35, 70), (1.0, 100, 100)])
def test_a_share_of_image_patches_is_centred_in_the_tumour_where_asked(store, share, least, most):
    dataset, volumes = ImagePatches(store, ["a"], size=(2, 2, 2), tumour_share=share), store.open("a").volumes()
    centres = np.array([place(volumes, dataset[0, seed]["images"]) + 1 for seed in range(100)])
    inside = ((centres >= (4, 5, 14)) & (centres <= (7, 8, 18))).all(1).sum()
    assert least <= inside <= most


def test_without_a_label_map_the_brain_is_drawn_from(store, unlabelled):
    dataset, volumes = ImagePatches(store, [unlabelled], (4, 4, 4), tumour_share=1.0), store.open(unlabelled).volumes()
    corners = np.array([place(volumes, dataset[0, seed]["images"]) for seed in range(100)])
    assert (np.ptp(corners, axis=0) >= 6).all()


def test_a_validation_patch_is_the_middle_of_the_brain_and_always_the_same(store):
    parameters = PatchParameters(patch_size=(8, 6, 4))
    dataset, volumes = patch_samples(store, ["b"], parameters, augmented=False), store.open("b").volumes()
    for seed in (0, 1):
        assert np.array_equal(dataset[0, seed]["images"].numpy(), volumes[:, 4:8, 5:11, 8:16])


def test_the_middle_window_is_cut_to_the_grid_and_none_is_the_whole_volume(store):
    volumes = store.open("b").volumes()
    assert np.array_equal(middle_windows(store, ["b"], (8, 6, 4))[0, 0]["images"].numpy(), volumes[:, 4:8, 5:11, 8:16])
    for window in (None, (96, 96, 96)):
        assert np.array_equal(middle_windows(store, ["a", "b"], window)[1, 3]["images"].numpy(), volumes)


def test_patch_samples_fit_the_grid_and_are_mirrored_as_the_parameters_say(store):
    options = flips(flip_left_right=True, flip_anterior_posterior=True)
    parameters = PatchParameters(patch_size=(96, 96, 4), augmentation=options)
    dataset = patch_samples(store, ["a", "b"], parameters)
    assert dataset[0, 0]["images"].shape == (3, 4, 16, 24)
    whole = PatchParameters(patch_size=(96, 96, 96), augmentation=options)
    volumes, turns = store.open("a").volumes(), {(): 0, (-1,): 0, (-2,): 0, (-2, -1): 0}
    for seed in range(60):
        images = patch_samples(store, ["a"], whole)[0, seed]["images"].numpy()
        turns[next(axes for axes in turns if np.array_equal(images, np.flip(volumes, axes)))] += 1
    assert min(turns.values()) >= 5  # expected 15 each
    assert len(patch_samples(store, [], parameters)) == 0


def test_what_patches_cannot_have_is_refused_by_name(store):
    with pytest.raises(ValueError, match=r"augmentation\.rotate90 and augmentation\.affine and augmentation\.elastic"):
        patch_samples(store, ["a"], PatchParameters())
    assert len(patch_samples(store, ["a"], PatchParameters(), augmented=False)) == 1
    assert patch_flips(flips()) == {}
    assert patch_flips(flips(flip_left_right=True, probability=0.3)) == {-1: 0.3}


def test_labels_may_come_from_maps_instead_of_the_files(store, unlabelled):
    tissues = store.open(unlabelled).mask().astype(np.uint8) * 3
    dataset = PatchDataset(store, [unlabelled], (12, 16, 24), maps={unlabelled: tissues})
    sample = next(dataset[0, seed] for seed in range(20) if dataset[0, seed]["images"][0, 3, 4, 5] > 0)
    assert torch.equal(sample["labels"] == 3, sample["images"][0] > 0), "mirrored together"
    small = PatchDataset(store, [unlabelled], (2, 2, 2), tumour_share=1.0, maps={unlabelled: tissues})
    assert all(small[0, seed]["labels"].any() for seed in range(30)), "the share is centred in what is labelled"


class TestModalityDropout:
    SEEDS = range(200)

    def blank(self, dataset, seed) -> int:
        """How many contrasts of a patch are blank; the whole volume is never so by itself."""
        return int((dataset[0, seed]["images"].amax((1, 2, 3)) == 0).sum())

    def test_none_changes_nothing(self, store):
        plain, none = PatchDataset(store, ["a"], (8, 8, 8)), PatchDataset(store, ["a"], (8, 8, 8), modality_dropout=0.0)
        for seed in range(10):
            file, block, mirrored = plain._draw((0, seed))
            assert torch.equal(none[0, seed]["images"], torch.from_numpy(file.crop(*block)).flip(mirrored))

    def test_some_but_never_all_contrasts_of_a_share_of_the_patches_are_blank(self, store):
        dataset = PatchDataset(store, ["a"], (12, 16, 24), modality_dropout=0.4)
        counts = np.bincount([self.blank(dataset, seed) for seed in self.SEEDS], minlength=4)
        assert counts[3] == 0
        assert counts[1] > 20
        assert counts[2] > 20  # three subsets of each size
        assert 50 < counts[1] + counts[2] < 110  # expected 80

    def test_the_rest_of_the_patch_stays_where_it_was_and_the_seed_decides(self, store):
        plain = PatchDataset(store, ["a"], (8, 8, 8))
        always = PatchDataset(store, ["a"], (8, 8, 8), modality_dropout=1.0)
        for seed in range(20):
            whole, part, again = plain[0, seed], always[0, seed], always[0, seed]
            assert torch.equal(part["images"], again["images"])
            assert torch.equal(part["labels"], whole["labels"])
            kept = part["images"].amax((1, 2, 3)) > 0
            assert 1 <= kept.sum() <= 2
            assert torch.equal(part["images"][kept], whole["images"][kept])

    def test_validation_sees_everything(self, store):
        dataset = PatchDataset(store, ["a"], (12, 16, 24), random=False, modality_dropout=1.0)
        assert self.blank(dataset, 0) == 0
