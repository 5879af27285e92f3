"""Slices, patches, augmentation and batches."""

import pickle

import numpy as np
import pytest
import torch

from mrisynth_pipeline.sampling.augmentation import AugmentationParameters, SliceAugmentation
from mrisynth_pipeline.sampling.batches import StepBatches, fixed_batches
from mrisynth_pipeline.sampling.patches import PatchDataset
from mrisynth_pipeline.sampling.slices import SliceDataset, brain_slices, telling_slice

NONE = {
    "flip_left_right": False,
    "flip_anterior_posterior": False,
    "rotate90": False,
    "affine": False,
    "elastic": False,
}


def test_only_slices_with_enough_brain_are_drawn():
    mask = np.zeros((4, 10, 10), bool)
    mask[1, :1] = mask[2, :5] = True
    assert brain_slices(mask, 0.0).tolist() == [1, 2]
    assert brain_slices(mask, 0.2).tolist() == [2]


def test_a_published_window_counts_instead(store):
    mask = np.zeros((4, 10, 10), bool)
    assert brain_slices(mask, 0.2, window=(1, 2)).tolist() == [1, 2]
    assert brain_slices(mask, 0.2, window=(3, 2)).tolist() == []
    dataset = SliceDataset(store, ["a", "b"], minimum_area=0.05, windows={"b": (2, 4)})
    assert [z for subject, z in dataset.items if subject == "b"] == [2, 3, 4]
    assert len(dataset) == 8 + 3


def test_a_sample_is_the_slice_of_the_file(store):
    dataset = SliceDataset(store, ["a", "b"], minimum_area=0.05, windows={})
    assert len(dataset) == 16
    subject, z = dataset.items[9]
    sample = dataset[9, 0]
    assert torch.equal(sample["images"], torch.from_numpy(store.open(subject).volumes()[:, z]))
    assert sample["present"].all()


def test_a_dataset_travels_to_worker_processes(store):
    dataset = SliceDataset(store, ["a"], minimum_area=0.05, windows={})
    expected = dataset[0, 0]["images"]
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[0, 0]["images"], expected)


@pytest.mark.parametrize("step", [*NONE, "all"])
def test_augmentation_depends_on_the_seed_alone_and_treats_all_modalities_alike(step):
    options = AugmentationParameters() if step == "all" else AugmentationParameters(**NONE | {step: True})
    augment = SliceAugmentation(options, (32, 32))
    image = torch.rand(1, 32, 32)
    image[:, :8] = 0
    stack = image.expand(3, -1, -1)
    results = [augment(stack, seed) for seed in range(12)]
    again = [augment(stack, seed) for seed in reversed(range(12))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(results, again, strict=True))
    assert any(not torch.equal(result, stack) for result in results)
    for result in results:
        assert result.shape == stack.shape
        assert 0 <= result.min() <= result.max() <= 1
        assert torch.equal(result[0], result[1])


def test_augmentation_gives_bare_tensors():
    """MONAI's own would be carried through every layer of a network, at the cost of each operation."""
    augment = SliceAugmentation(AugmentationParameters(probability=1.0), (32, 32))
    assert type(augment(torch.rand(2, 32, 32), seed=0)) is torch.Tensor


def test_left_right_is_the_last_axis():
    augment = SliceAugmentation(AugmentationParameters(**NONE | {"flip_left_right": True}, probability=1.0), (4, 6))
    stack = torch.rand(2, 4, 6)
    assert torch.equal(augment(stack, 0), stack.flip(-1))


def test_quarter_turns_need_square_slices():
    with pytest.raises(ValueError, match="rotate90"):
        SliceAugmentation(AugmentationParameters(), (32, 40))


def test_a_resumed_stream_of_batches_is_the_rest_of_the_whole():
    whole = list(StepBatches(n_items=7, batch_size=3, steps=10, seed=1))
    assert list(StepBatches(n_items=7, batch_size=3, steps=10, seed=1, start=4)) == whole[4:]
    assert whole != list(StepBatches(n_items=7, batch_size=3, steps=10, seed=2))
    indices = [index for batch in whole for index, _ in batch]
    assert sorted(indices[:7]) == sorted(indices[7:14]) == list(range(7))  # every item once per round
    assert len({seed for batch in whole for _, seed in batch}) == 30


def test_validation_items_are_spread_and_fixed():
    batches = fixed_batches(n_items=100, batch_size=4, maximum=6)
    assert [len(batch) for batch in batches] == [4, 2]
    indices = [index for batch in batches for index, _ in batch]
    assert sorted(indices) == [0, 19, 39, 59, 79, 99]
    assert indices != sorted(indices)
    assert sum(map(len, fixed_batches(3, 4, 6))) == 3


def test_patches_lie_inside_and_every_other_one_meets_the_tumour(store):
    dataset = PatchDataset(store, ["a"], size=(4, 8, 8))
    meets = 0
    for seed in range(60):
        patch = dataset[0, seed]
        assert patch["images"].shape == (3, 4, 8, 8)
        assert patch["labels"].shape == (4, 8, 8)
        meets += bool(patch["labels"].any())
    assert 25 <= meets < 60  # half are centred there, and some of the others meet it too
    assert torch.equal(dataset[0, 5]["images"], dataset[0, 5]["images"])


def test_images_and_labels_of_a_patch_belong_together(store):
    dataset = PatchDataset(store, ["b"], size=(12, 16, 24))
    volumes, labels = store.open("b").volumes(), store.open("b").segmentation()
    seen = set()
    for seed in range(20):
        patch = dataset[0, seed]
        flipped = not np.array_equal(patch["images"].numpy(), volumes)
        seen.add(flipped)
        turn = (lambda a: a[..., ::-1]) if flipped else (lambda a: a)
        assert np.array_equal(patch["images"].numpy(), turn(volumes))
        assert np.array_equal(patch["labels"].numpy(), turn(labels))
    assert seen == {True, False}


def test_validation_patches_are_around_the_tumour(store):
    patch = PatchDataset(store, ["a"], size=(4, 8, 8), random=False)[0, 0]
    assert (patch["labels"] > 0).sum() == (store.open("a").segmentation() > 0).sum()


class TestTellingSlice:
    mask = np.zeros((5, 4, 4), bool)
    mask[1, :2], mask[2] = True, True

    def test_most_tumour_core_first(self):
        labels = np.zeros((5, 4, 4), np.uint8)
        labels[0], labels[3, 0] = 2, 3
        assert telling_slice(self.mask, labels) == 3

    def test_then_most_oedema(self):
        labels = np.zeros((5, 4, 4), np.uint8)
        labels[0] = 2
        assert telling_slice(self.mask, labels) == 0

    @pytest.mark.parametrize("labels", [None, np.zeros((5, 4, 4), np.uint8)])
    def test_then_most_brain(self, labels):
        assert telling_slice(self.mask, labels) == 2
