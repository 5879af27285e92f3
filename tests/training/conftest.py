"""A small translating network, and a store of subjects whose contrasts follow from each other."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject
from mrisynth_pipeline.models.door import Imputer

MODALITIES = ("t1", "t2", "pd")


@dataclass(frozen=True)
class Scenario:
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    fixed: bool


class TinyTranslator(Imputer):
    """Voxel by voxel; keeps what it was called with."""

    name = "tiny"

    def __init__(self, scenario: Scenario, spatial_dims: int) -> None:
        super().__init__(MODALITIES, spatial_dims, divisor=8)
        self.scenario = scenario
        convolution = {2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[spatial_dims]
        self.layers = torch.nn.Sequential(convolution(6, 16, 1), torch.nn.LeakyReLU(0.2), convolution(16, 3, 1))
        self.calls: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, images: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
        self.calls = [(images, available)]
        there = available.reshape(*available.shape, *(1,) * self.spatial_dims).expand_as(images)
        return self.layers(torch.cat([images, there.float()], 1))

    def predict(self, images, available):
        return self(images, available)


@pytest.fixture
def translator() -> Callable[..., TinyTranslator]:
    """``translator("any")`` or ``translator("t1+t2->pd", spatial_dims=3)``, always with the same weights."""

    def make(scenario: str = "any", spatial_dims: int = 2) -> TinyTranslator:
        torch.manual_seed(0)
        if scenario == "any":
            return TinyTranslator(Scenario(MODALITIES, MODALITIES, fixed=False), spatial_dims)
        inputs, targets = (tuple(side.split("+")) for side in scenario.split("->"))
        return TinyTranslator(Scenario(inputs, targets, fixed=True), spatial_dims)

    return make


@pytest.fixture
def store(tmp_path) -> SubjectStore:
    """Three subjects, a to c, with smooth contrasts t1, t2 = 1 − t1 and pd = t1² on a grid (z, y, x) of 34, 38, 36."""
    shape = (34, 38, 36)
    mask = np.zeros(shape, bool)
    mask[2:-2, 3:-3, 3:-3] = True
    subjects = SubjectStore(tmp_path / "subjects")
    for seed, name in enumerate("abc"):
        smooth = gaussian_filter(np.random.default_rng(seed).random(shape), 3)
        t1 = (smooth - smooth.min()) / np.ptp(smooth)
        volumes = (np.stack([t1, 1 - t1, t1**2]) * mask).astype(np.float32)
        subject = Subject(name, MODALITIES, (True,) * 3, volumes, mask, None, "t1", np.eye(4), {}, {}, {}, name)
        write_subject(subjects.path(name), subject)
    return subjects
