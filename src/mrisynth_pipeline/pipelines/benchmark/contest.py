"""Who is trained on what, and examined on whom: the trials of the benchmark."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.costs import peak_memory
from mrisynth_pipeline.evaluation.exam import Exam
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.perceptual import perceptual_distance
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.parameters import plain
from mrisynth_pipeline.pipelines.benchmark.judging import headline, judge_limits, judge_training
from mrisynth_pipeline.pipelines.benchmark.parameters import BenchmarkParameters
from mrisynth_pipeline.pipelines.contestants import settings_of
from mrisynth_pipeline.pipelines.folds import folds_of
from mrisynth_pipeline.pipelines.methods import SKIPPED
from mrisynth_pipeline.pipelines.recipes import RECIPES, Options, Recipe
from mrisynth_pipeline.pipelines.segmentation.nodes import train_segmenter
from mrisynth_pipeline.pipelines.segmentation.training import train_tissue_segmenter
from mrisynth_pipeline.pipelines.study import (
    complete_subjects,
    labelled_subjects,
    segmentation_obstacle,
    training_identity,
)
from mrisynth_pipeline.pipelines.trials import Trial, run_trials, trained_model
from mrisynth_pipeline.sampling.availability import all_subsets, subset_name
from mrisynth_pipeline.sampling.subjects import evenly_spread
from mrisynth_pipeline.training.segmentation import SegmentationParameters

logger = logging.getLogger(__name__)

LIMITS = "limits"
"""The trial of rows that are no methods: floor, ceiling, and segmentations of real and of blank scans."""


@dataclass(frozen=True)
class Sitting:
    """The examination of one fold."""

    study: dict[str, Any]
    exam: Exam
    judged_as: str
    """Fingerprint of the examination."""


@dataclass(frozen=True)
class Contest:
    """What all trials have in common."""

    study: dict[str, Any]
    split: pd.DataFrame
    subjects: SubjectStore
    tissues: Mapping[str, np.ndarray]
    healthy: tuple[SubjectStore, Sequence[str]] | None
    groups: Mapping[str, Any]
    parameters: BenchmarkParameters
    evaluation: EvaluationParameters
    segmentation: SegmentationParameters

    def folds(self) -> list[dict[str, Any]]:
        """The study once per fold."""
        return folds_of(self.study, self.split, self.parameters.folds, "benchmark.folds")

    def segmenters(self) -> dict[str, list[Trial]]:
        """Segmenter → its training on every fold: of tumours, or of tissues where tumours cannot be; maybe none."""
        if segmentation_obstacle(self.study) and not self.tissues:
            return {}
        wanted = {"segmenter": self.segmentation}
        if self.parameters.modality_dropout:
            dropout = {"modality_dropout": self.parameters.modality_dropout}
            wanted["segmenter_dropout"] = self.segmentation.model_copy(update=dropout)
        return {
            name: [self._segmenter(name, fold, study, parameters) for fold, study in enumerate(self.folds())]
            for name, parameters in wanted.items()
        }

    def _segmenter(self, name: str, fold: int, study: dict[str, Any], parameters: SegmentationParameters) -> Trial:
        return Trial(
            name,
            parameters.optimisation.seed,
            fold,
            training_identity(study, parameters),
            "",
            lambda folder: self._trained_segmenter(study, folder, parameters),
            lambda model: {},
            settings=_flat({name: parameters}),
        )

    def _trained_segmenter(
        self, study: dict[str, Any], folder: Path, parameters: SegmentationParameters
    ) -> TrainedModel:
        if segmentation_obstacle(self.study):
            return train_tissue_segmenter(study, self.subjects, self.tissues, folder, parameters)
        return train_segmenter(study, self.subjects, folder, parameters)[0]

    def _with_truth(self, study: dict[str, Any]) -> list[str]:
        """Of whom it is known what a segmenter should find."""
        if segmentation_obstacle(self.study):
            return [subject for subject in complete_subjects(study, "test", True) if subject in self.tissues]
        return labelled_subjects(study, "test")

    def sittings(self, segmenters: Sequence[Mapping[str, TrainedModel]]) -> list[Sitting]:
        """The examination of every fold.

        Args:
            segmenters: Of every fold, by name.
        """
        trials = self.segmenters()
        sittings = []
        for fold, (study, found) in enumerate(zip(self.folds(), segmenters, strict=True)):
            identities = [trials[name][fold].identity for name in found]
            sittings.append(self._sitting(study, found, identities))
        return sittings

    def trials(self, sittings: Sequence[Sitting]) -> tuple[list[Trial], list[dict[str, Any]]]:
        """All trials: the limits, then one seed of all methods on all folds, then the next; and who cannot take part.

        Returns:
            The trials, and one row with ``variant``, ``seed``, ``fold`` and ``obstacle`` for each that cannot be.
        """
        obstacles: list[dict[str, Any]] = []
        trials = [self._limits(fold, sitting) for fold, sitting in enumerate(sittings)]
        for seed in range(self.parameters.seeds):
            for name in self.parameters.chosen:
                for fold, sitting in enumerate(sittings):
                    options = self.options(name, seed)
                    try:
                        self._recipe(name).members(options, sitting.study, self.subjects)
                    except InputError as error:
                        logger.warning("%s cannot be trained: %s", name, error)
                        row = {"variant": name, "seed": seed, "fold": fold, "obstacle": error.problem}
                        obstacles.append(row)
                        continue
                    trials.append(self._trial(name, seed, fold, options, sitting))
        return trials, obstacles

    def options(self, name: str, seed: int, steps_share: float | None = None) -> Options:
        """Options of one training; by default with the benchmark's share of the steps."""
        share = self.parameters.steps_share if steps_share is None else steps_share
        contestant = self.parameters.contestants[name]
        return settings_of(contestant, f"benchmark.contestants.{name}", seed, share, self.groups)

    def train(self, name: str, options: Options, study: dict[str, Any], folder: Path, tracked_as: str) -> TrainedModel:
        """Train one contestant."""
        return self._recipe(name).train(options, study, self.subjects, folder, tracked_as)

    def _recipe(self, name: str) -> Recipe:
        return RECIPES[self.parameters.contestants[name].method]

    def _sitting(self, study: dict[str, Any], found: Mapping[str, TrainedModel], identities: list[str]) -> Sitting:
        modalities = tuple(study["modalities"])
        tested = evenly_spread(study["test"], self.parameters.test_subjects)
        asked: tuple[str, ...] = ()
        if self.parameters.subsets == "few":
            subsets = all_subsets(len(modalities))
            asked = tuple(
                subset_name(subset.tolist(), modalities)
                for subset in subsets
                if int(subset.sum()) in (1, len(modalities) - 1)
            )
        device = usable_device(self.evaluation.device)
        exam = Exam(
            store=self.subjects,
            subjects=tested,
            modalities=modalities,
            windows=study["slice_windows"],
            spacing_mm=study["grid"]["spacing_mm"],
            parameters=self.evaluation,
            subsets=asked,
            segmenters={name: model.network.to(device) for name, model in found.items()},
            segmented=[subject for subject in self._with_truth(study) if subject in tested],
            tissues=self.tissues,
            healthy=self.healthy,
            perceptual=perceptual_distance()[0],
        )
        facts = [tested, asked, identities]
        facts += [
            list(self.healthy[1]) if self.healthy else [],
            sorted(self.tissues),
            perceptual_distance()[0] is not None,
        ]
        judged_as = training_identity(study | {"fingerprint": f"{study['fingerprint']} {facts}"}, self.evaluation)
        return Sitting(study, exam, judged_as)

    def _limits(self, fold: int, sitting: Sitting) -> Trial:
        """Floor and ceiling of the protocol, and what the segmenters make of real and of blank scans."""
        study = sitting.study

        def train(folder: Path) -> TrainedModel:
            return RECIPES["mean"].train({}, study, self.subjects, folder, "")  # a trial keeps a model, and this is one

        judge = partial(judge_limits, sitting.exam)
        return Trial(LIMITS, 0, fold, study["fingerprint"], sitting.judged_as, train, judge)

    def _trial(self, name: str, seed: int, fold: int, options: Options, sitting: Sitting) -> Trial:
        def train(folder: Path) -> TrainedModel:
            with peak_memory(usable_device(self.evaluation.device)) as peak:
                model = self.train(name, options, sitting.study, folder, name)
            return TrainedModel(model.network, model.card | {"training_peak_mb": peak.mb})

        return Trial(
            name,
            seed,
            fold,
            training_identity(sitting.study, *options.values()),
            sitting.judged_as,
            train,
            partial(judge_training, name, seed, sitting.exam),
            settings=_flat({"method": self.parameters.contestants[name].method} | dict(options)),
            metrics=headline,
        )


def _flat(groups: Mapping[str, BaseModel | str], prefix: str = "") -> dict[str, Any]:
    """Options by their full name."""
    found: dict[str, Any] = {}
    for name, value in groups.items():
        value = plain(value)
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def fit_segmenters(contest: Contest, folder: Path) -> None:
    """Train the segmenters of every fold; one that fails is reported, and missed by those that would use it."""
    if not (trials := _segmenter_trials(contest)):
        return
    try:
        run_trials(trials, folder, contest.parameters.workers, partial(_segmenter_trials, contest))
    except RuntimeError as error:
        logger.error("No segmenter could be trained: nothing is segmented (%s)", error)


def _segmenter_trials(contest: Contest) -> list[Trial]:
    return [trial for of_name in contest.segmenters().values() for trial in of_name]


def trials_of(contest: Contest, folder: Path) -> list[Trial]:
    """All trials that can be, with the segmenters that lie in the folder; in any process."""
    return contest.trials(sittings_of(contest, folder))[0]


def sittings_of(contest: Contest, folder: Path) -> list[Sitting]:
    """The examination of every fold, with the segmenters that lie in the folder."""
    found: list[dict[str, TrainedModel]] = [{} for _ in contest.folds()]
    for name, of_name in contest.segmenters().items():
        for fold, trial in enumerate(of_name):
            model = trained_model(trial, folder)
            if model is not None and SKIPPED not in model.card:  # a fold may have nobody to train a segmenter on
                found[fold][name] = model
    return contest.sittings(found)
