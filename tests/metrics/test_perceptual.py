"""LPIPS: only with the published weights, never downloaded."""

import pytest
import torch

from mrisynth_pipeline.metrics.perceptual import WEIGHTS, PerceptualDistance, perceptual_distance


def test_without_weights_it_says_which_file_belongs_where(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", _must_not_be_called)
    distance, reason = perceptual_distance(tmp_path)
    assert distance is None
    assert WEIGHTS in reason
    assert str(tmp_path) in reason


def test_another_file_under_that_name_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", _must_not_be_called)
    (tmp_path / WEIGHTS).write_bytes(b"not what it says")
    distance, reason = perceptual_distance(tmp_path)
    assert distance is None
    assert "SHA-256" in reason


def _must_not_be_called(*_, **__):
    raise AssertionError("nothing is to be loaded")


class TestSlices:
    """With the mean absolute difference in the network's place."""

    @staticmethod
    def network(first, second):
        assert first.shape[1] == 3
        assert first.min() >= -1
        assert first.max() <= 1
        return (first - second).abs().mean()

    def test_the_chosen_slices_are_scored_grey_in_three_channels(self):
        truth = torch.zeros(40, 4, 5)
        made = torch.zeros(40, 4, 5)
        made[10:30] = 0.5
        scorer = PerceptualDistance(self.network).to(truth, slice(10, 30))
        assert scorer.score(made)["lpips"] == pytest.approx(1.0), "0.5 of [0, 1] is 1 of [-1, 1]"
        assert PerceptualDistance(self.network).to(truth, range(40)).score(made)["lpips"] == pytest.approx(0.5)
