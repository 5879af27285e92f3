"""The downstream segmenter's regions and labels."""

import torch

from mrisynth_pipeline.models.segmenter import Segmenter, label_regions


def test_regions_are_those_of_brats():
    whole, core, enhancing = label_regions(torch.tensor([0, 1, 2, 3]))
    assert whole.tolist() == [False, True, True, True]
    assert core.tolist() == [False, True, False, True]
    assert enhancing.tolist() == [False, False, False, True]


def test_nested_regions_become_one_label_map_on_any_grid(monkeypatch):
    segmenter = Segmenter(("t1", "t2"), width=8, blocks_down=(1, 1, 1))
    labels = torch.tensor([0, 1, 2, 3, 2]).expand(7, 6, 5)  # no size divisible by 4

    def perfect(images):
        assert all(size % segmenter.divisor == 0 for size in images.shape[2:])
        logits = torch.full((1, 3, *images.shape[2:]), -1.0)
        logits[0, :, :7, :6, :5] = label_regions(labels).float() - 0.5
        return logits

    monkeypatch.setattr(segmenter, "forward", perfect)
    assert torch.equal(segmenter.segment(torch.rand(2, 7, 6, 5)).long(), labels)
