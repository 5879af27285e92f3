"""Costs: multiplications as they are known, memory as it is taken."""

import sys

import pytest
import torch
from torch import nn

from mrisynth_pipeline.evaluation.costs import giga_macs, peak_memory
from mrisynth_pipeline.models.door import Imputer

MODALITIES = ("t1", "t2")


class OneConvolution(Imputer):
    name = "one_convolution"

    def __init__(self, spatial_dims: int) -> None:
        super().__init__(MODALITIES, spatial_dims)
        self.layer = (nn.Conv2d, nn.Conv3d)[spatial_dims - 2](2, 2, 3, padding=1)
        nn.utils.parametrizations.weight_norm(self.layer)

    def predict(self, images, available):
        return self.layer(images)


class TestMultiplications:
    volumes = torch.rand(2, 6, 8, 10)
    available = torch.tensor([True, False])

    def test_of_a_whole_volume(self):
        expected = 6 * 8 * 10 * 2 * 2 * 27
        assert giga_macs(OneConvolution(3), self.volumes, self.available) == pytest.approx(expected / 1e9)

    def test_of_slices_that_show_something(self):
        volumes = self.volumes.clone()
        volumes[:, :2] = 0
        expected = 4 * 8 * 10 * 2 * 2 * 9
        assert giga_macs(OneConvolution(2), volumes, self.available) == pytest.approx(expected / 1e9)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells and resets a process's peak")
class TestMemory:
    def test_what_is_taken_inside_is_seen_even_if_it_is_given_back(self):
        with peak_memory(torch.device("cpu")) as peak:
            block = torch.ones(64 * 2**20, dtype=torch.uint8)
            del block
        assert 50 < peak.mb < 120

    def test_an_earlier_peak_does_not_count(self):
        block = torch.ones(128 * 2**20, dtype=torch.uint8)
        del block
        with peak_memory(torch.device("cpu")) as peak:
            pass
        assert peak.mb < 30
