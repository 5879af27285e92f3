"""A whole method of one's own, as docs/benchmark.md shows it: the brightest input, times a gain for each contrast."""

import torch
from torch import nn

from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.recipes import Recipe, register
from mrisynth_pipeline.pipelines.study import model_card


class BrightestInput(Imputer):
    name = "brightest"

    def __init__(self, modalities):
        super().__init__(modalities, spatial_dims=2)
        self.gain = nn.Parameter(torch.ones(len(modalities)), requires_grad=False)

    def predict(self, images, available):
        return images.amax(dim=1, keepdim=True) * self.gain[:, None, None]


def train(options, study, subjects, folder, tracked_as):
    method, means = BrightestInput(tuple(study["modalities"])), []
    for subject in study["train"]:
        volumes = torch.from_numpy(subjects.open(subject).volumes()).float()
        means.append(volumes.mean(dim=(1, 2, 3)) / volumes.amax(dim=0).mean())
    method.gain.copy_(torch.stack(means).mean(dim=0))
    return TrainedModel(method.eval(), model_card(study, study["train"]))


register("brightest", Recipe({}, lambda options, study, subjects: study["train"], train), BrightestInput)
