"""Which imputations the benchmark's page shows: the same subjects for all methods, and the leader's failures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mrisynth_pipeline.evaluation.harness import Predict, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import CARD, load_model
from mrisynth_pipeline.pipelines.benchmark.parameters import BenchmarkParameters
from mrisynth_pipeline.pipelines.examples import example_subjects, missing_channel
from mrisynth_pipeline.pipelines.methods import BASELINES
from mrisynth_pipeline.sampling.availability import parse_subset, subset_name
from mrisynth_pipeline.sampling.slices import telling_slice

_SUBJECTS = 2
"""Of whom examples are shown: of the first every contrast, of the others the one that tumours need most."""


class _Trained:
    """The first seed's models of all contestants, one loaded at a time."""

    def __init__(self, workspace: Path, fold_of: dict[str, int], evaluation: EvaluationParameters) -> None:
        self.workspace, self.fold_of, self.evaluation = workspace, fold_of, evaluation
        self._loaded: tuple[Path, Predict] | None = None

    def predict(self, name: str, subject: str) -> Predict | None:
        """The method as it was trained without this subject; ``None`` where that training failed."""
        folder = self.workspace / name / "seed_0" / f"fold_{self.fold_of[subject]}" / "model"
        if not (folder / CARD).is_file():
            return None
        if self._loaded is None or self._loaded[0] != folder:
            network = load_model(folder).network.to(usable_device(self.evaluation.device))
            self._loaded = (folder, through_the_door(network, self.evaluation))
        return self._loaded[1]


def impute_pictures(
    summary: dict[str, Any],
    study: dict[str, Any],
    subjects: SubjectStore,
    workspace: Path,
    parameters: BenchmarkParameters,
    evaluation: EvaluationParameters,
) -> dict[str, np.ndarray]:
    """Imputed slices for the figures.

    Returns:
        ``example|{subject}|{inputs}|{target}|{method}`` → slice ``[y, x]``, and the same with ``worst|``; under the
        name ``slice`` instead of a method the index of the axial slice, ``[1]``.
    """
    trained = _Trained(workspace, summary["fold_of"], evaluation)
    modalities = tuple(study["modalities"])
    slices: dict[str, np.ndarray] = {}
    shown = list(_examples(study, subjects, summary))
    scored = [name for name in parameters.chosen if name in summary["scores"]["methods"]]
    for name in scored:  # method by method: each model is loaded once
        for subject, inputs, target in shown:
            file, channel = subjects.open(subject), modalities.index(target)
            z = telling_slice(file.mask(), file.segmentation())
            predict = trained.predict(name, subject)
            case = f"example|{subject}|{inputs}|{target}"
            slices[f"{case}|slice"] = np.array([z])
            if predict is not None:
                volumes = torch.from_numpy(file.volumes())
                slices[f"{case}|{name}"] = predict(volumes, parse_subset(inputs, modalities))[channel, z].numpy()
    beside = [name for name in scored if parameters.contestants[name].method in BASELINES]
    for case in summary["worst"]:
        slices |= _failure(case, [summary["leader"], case["rival"], *beside], trained, subjects, modalities)
    return slices


def _examples(study: dict[str, Any], subjects: SubjectStore, summary: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Subject, inputs and target of the grids in which all methods stand side by side."""
    modalities = tuple(study["modalities"])
    tested = [subject for subject in summary["fold_of"] if subject in set(study["complete"])]
    chosen = example_subjects(study | {"test": tested}, subjects, _SUBJECTS) if tested else []
    for number, subject in enumerate(chosen):
        for channel in range(len(modalities)) if number == 0 else [missing_channel(study)]:
            inputs = subset_name([other != channel for other in range(len(modalities))], modalities)
            yield subject, inputs, modalities[channel]


def _failure(
    case: dict[str, Any],
    names: list[str | None],
    trained: _Trained,
    subjects: SubjectStore,
    modalities: tuple[str, ...],
) -> dict[str, np.ndarray]:
    """What some methods made of one case, on the axial slice on which the first of them is furthest off."""
    file, channel = subjects.open(case["subject"]), modalities.index(case["target"])
    volumes, available = torch.from_numpy(file.volumes()), parse_subset(case["inputs"], modalities)
    key = f"worst|{case['subject']}|{case['inputs']}|{case['target']}"
    found: dict[str, np.ndarray] = {}
    z = None
    for name in dict.fromkeys(name for name in names if name):
        predict = trained.predict(name, case["subject"])
        if predict is None:
            continue
        imputed = predict(volumes, available)[channel]
        if z is None:
            inside = torch.from_numpy(file.mask())
            z = int((((imputed - volumes[channel]) * inside) ** 2).sum(dim=(1, 2)).argmax())
            found[f"{key}|slice"] = np.array([z])
        found[f"{key}|{name}"] = imputed[z].numpy()
    return found
