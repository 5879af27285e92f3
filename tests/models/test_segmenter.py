"""The downstream segmenter's regions and labels."""

import pytest
import torch

from mrisynth_pipeline.models.packaging import TrainedModel, load_model, save_model
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


def test_tissues_exclude_each_other_and_the_likeliest_is_taken(monkeypatch):
    segmenter = Segmenter(("t1",), width=8, blocks_down=(1, 1), targets="tissue")
    labels = torch.tensor([0, 1, 2, 3, 2]).expand(7, 6, 5)

    def nearly_sure(images):
        logits = torch.full((1, 4, *images.shape[2:]), 2.0)  # all above 0, which would mean something of tumours
        logits[0, :, :7, :6, :5].scatter_(0, labels[None], 3.0)
        return logits

    assert segmenter(torch.rand(1, 1, 4, 4, 4)).shape == (1, 4, 4, 4, 4)
    monkeypatch.setattr(segmenter, "forward", nearly_sure)
    assert torch.equal(segmenter.segment(torch.rand(1, 7, 6, 5)).long(), labels)


@pytest.mark.parametrize("targets", ["tumour", "tissue"])
def test_a_segmenter_is_what_it_was_when_it_is_loaded(tmp_path, targets):
    segmenter = Segmenter(("t1", "t2"), width=8, blocks_down=(1, 1), targets=targets).eval()
    save_model(TrainedModel(segmenter), tmp_path / "model")
    loaded = load_model(tmp_path / "model").network
    images = torch.rand(2, 6, 6, 6)
    assert loaded.targets == targets
    assert torch.equal(loaded.segment(images), segmenter.segment(images))


def test_a_card_from_before_there_were_tissues_means_tumours(tmp_path):
    segmenter = Segmenter(("t1",), width=8, blocks_down=(1, 1))
    old = {name: value for name, value in segmenter.construction().items() if name != "targets"}
    save_model(TrainedModel(segmenter, {"construction": old}), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert "targets" not in loaded.card["construction"]
    assert loaded.network.targets == "tumour"


def test_other_targets_are_refused():
    with pytest.raises(ValueError, match="tumour or tissue"):
        Segmenter(("t1",), targets="vessels")
