"""What it costs each method that scans are missing from the cohort it is trained on."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from mrisynth_pipeline.cohorts.dropping import choose_withheld
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.harness import score_cohort, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.incomplete import summarise_incomplete
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel, load_model
from mrisynth_pipeline.pipelines.contestants import settings_of
from mrisynth_pipeline.pipelines.examples import example_subjects, missing_channel
from mrisynth_pipeline.pipelines.folds import folds_of
from mrisynth_pipeline.pipelines.incomplete import hide_scans
from mrisynth_pipeline.pipelines.incomplete_cohorts.parameters import IncompleteCohortsParameters
from mrisynth_pipeline.pipelines.methods import BASELINES
from mrisynth_pipeline.pipelines.recipes import RECIPES
from mrisynth_pipeline.pipelines.study import complete_subjects, training_identity
from mrisynth_pipeline.pipelines.trials import Trial, run_trials
from mrisynth_pipeline.reporting.incomplete import OURS, incomplete_page, incomplete_tables, incomplete_verdict
from mrisynth_pipeline.sampling.slices import telling_slice

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Cohort:
    """A study of whose training subjects some scans are hidden."""

    fold: int
    seed: int
    fraction: float
    hidden_share: float
    study: dict[str, Any]
    subjects: SubjectStore
    tested: list[str]


def run_contestants(
    study: dict[str, Any],
    split: pd.DataFrame,
    subjects: SubjectStore,
    workspace: Path,
    codebrain: dict[str, Any],
    neuroquant: dict[str, Any],
    resunet: dict[str, Any],
    aginet: dict[str, Any],
    mmhvae: dict[str, Any],
    parameters: IncompleteCohortsParameters,
    evaluation: EvaluationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, np.ndarray]]:
    """Train every contestant on every fraction; each finished one is kept and not repeated.

    Returns:
        Scores of the complete test subjects; one row per training with ``variant``, ``fraction``, ``seed``, ``fold``,
        ``hidden_share`` (really hidden), ``subjects`` (trained on), ``obstacle`` (why not, or ""), ``seconds`` and
        ``parameters``; and slices ``[y, x]`` of one test subject: ``truth``, ``{contestant}@{fraction}``.

    Raises:
        InputError: A contestant or the folds do not fit the study; nothing has been trained then.
    """
    groups = {
        "codebrain": codebrain, "neuroquant": neuroquant, "resunet": resunet, "aginet": aginet, "mmhvae": mmhvae,
        "linear": {}, "mean": {},
    }  # fmt: skip
    cohorts = _cohorts(study, split, subjects, parameters)
    trials, obstacles = [], []
    for cohort in cohorts:
        for name in parameters.chosen:
            if cohort.fraction not in parameters.fractions_of(name):
                continue
            trial = _trial(name, cohort, parameters, groups, evaluation)
            (obstacles if isinstance(trial, dict) else trials).append(trial)
    if not trials:
        why = obstacles[0]["obstacle"] if obstacles else "no chosen contestant has a fraction"
        remedy = "Name other contestants in only, smaller fractions, or add subjects"
        raise InputError("incomplete_cohorts", f"nobody can be trained ({why})", remedy)
    tables = run_trials(trials, workspace)
    named = {name: _fraction_apart(table) for name, table in tables.items()}
    about = pd.concat([named["trials"].merge(named["about"]).assign(obstacle=""), pd.DataFrame(obstacles)])
    return named["scores"], about.reset_index(drop=True), _example(trials, cohorts, workspace, evaluation)


def _cohorts(
    study: dict[str, Any], split: pd.DataFrame, subjects: SubjectStore, parameters: IncompleteCohortsParameters
) -> list[_Cohort]:
    """The study with each share of scans hidden: first one seed of all folds and fractions, then the next."""
    modalities, found = study["modalities"], []
    for seed in range(parameters.seeds):
        for fold, folded in enumerate(folds_of(study, split, parameters.folds, "incomplete_cohorts.folds")):
            present = pd.DataFrame(
                [subjects.open(subject).present for subject in folded["train"]], folded["train"], modalities, bool
            )
            tested = complete_subjects(folded, "test")[: parameters.test_subjects]
            for fraction in sorted(parameters.fractions):
                hidden = choose_withheld(present, fraction, seed)
                share = sum(len(names) for names in hidden.values()) / present.to_numpy().sum()
                found.append(_Cohort(fold, seed, fraction, float(share), *hide_scans(folded, subjects, hidden), tested))
    return found


def _trial(
    name: str,
    cohort: _Cohort,
    parameters: IncompleteCohortsParameters,
    groups: dict[str, dict[str, Any]],
    evaluation: EvaluationParameters,
) -> Trial | dict[str, Any]:
    """One training; or, where nobody is left to train on, its row in the table of trainings."""
    contestant, where = parameters.contestants[name], f"incomplete_cohorts.contestants.{name}"
    options = settings_of(contestant, where, cohort.seed, parameters.steps_share, groups)
    recipe = RECIPES[contestant.method]
    variant = f"{name}@{cohort.fraction:g}"
    try:
        recipe.members(options, cohort.study, cohort.subjects)
    except InputError as error:
        logger.warning("%s cannot be trained: %s", variant, error)
        row = {"variant": name, "fraction": cohort.fraction, "seed": cohort.seed, "fold": cohort.fold}
        return row | {"hidden_share": cohort.hidden_share, "subjects": 0, "obstacle": error.problem}
    return Trial(
        variant,
        cohort.seed,
        cohort.fold,
        training_identity(cohort.study, *options.values()),
        training_identity(
            cohort.study | {"fingerprint": f"{cohort.study['fingerprint']} {cohort.tested} {parameters.subsets}"},
            evaluation,
        ),
        lambda folder: recipe.train(
            options,
            cohort.study,
            cohort.subjects,
            folder,
            f"incomplete/{name}/{cohort.fraction:g}/{cohort.seed}/{cohort.fold}",
        ),
        partial(_judge, name, cohort, parameters.subsets, evaluation),
    )


def _judge(
    name: str, cohort: _Cohort, subsets: Literal["all", "few"], evaluation: EvaluationParameters, model: TrainedModel
) -> dict[str, pd.DataFrame]:
    """Scores of one training, and on how many subjects it was trained."""
    method = model.network.to(usable_device(evaluation.device))
    modalities, windows = tuple(cohort.study["modalities"]), cohort.study["slice_windows"]
    predict = through_the_door(method, evaluation)

    def covers(available: torch.Tensor, target: int) -> bool:
        asked = subsets == "all" or int(available.sum()) in (1, len(modalities) - 1)
        return asked and method.covers(available, target)

    scores = score_cohort(name, predict, cohort.subjects, cohort.tested, modalities, evaluation, windows, covers)
    about = {"hidden_share": cohort.hidden_share, "subjects": model.card["training_data"]["subjects"]}
    return {"scores": scores.drop(columns="method"), "about": pd.DataFrame([about])}


def _fraction_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The variant's name and its fraction in columns of their own."""
    name, fraction = zip(*(variant.rsplit("@", 1) for variant in table["variant"]), strict=True)
    return table.assign(variant=name, fraction=[float(value) for value in fraction])


def _example(
    trials: list[Trial], cohorts: list[_Cohort], workspace: Path, evaluation: EvaluationParameters
) -> dict[str, np.ndarray]:
    """What each first training makes of one contrast of one test subject, given all others; for the figure."""
    tested = {cohort.fold: cohort.tested for cohort in cohorts}
    everyone = [subject for members in tested.values() for subject in members]
    study, subjects = cohorts[0].study | {"test": everyone, "complete": everyone}, cohorts[0].subjects
    channel = missing_channel(study)
    [subject] = example_subjects(study, subjects, 1)
    file = subjects.open(subject)
    volumes, z = torch.from_numpy(file.volumes()), telling_slice(file.mask(), file.segmentation())
    slices = {"truth": volumes[channel, z].numpy()}
    for trial in trials:
        folder = workspace / trial.place / "model"
        if trial.seed or subject not in tested[trial.fold] or not folder.is_dir():  # a failed training has left none
            continue
        method = load_model(folder).network.to(usable_device(evaluation.device))
        imputed = through_the_door(method, evaluation)(volumes, torch.arange(len(volumes)) != channel)
        slices[trial.variant] = imputed[channel, z].numpy()
    return slices


def summarise(
    scores: pd.DataFrame,
    trainings: pd.DataFrame,
    parameters: IncompleteCohortsParameters,
    evaluation: EvaluationParameters,
) -> dict[str, Any]:
    """The numbers of the page; see :func:`~mrisynth_pipeline.metrics.incomplete.summarise_incomplete`."""
    equal = {name: parameters.contestants[name].complete_as for name in parameters.chosen}
    methods = {name: parameters.contestants[name].method for name in parameters.chosen}
    rivals = [name for name, method in methods.items() if method not in (OURS, *BASELINES)]
    summary = summarise_incomplete(
        scores, trainings, equal, (OURS, rivals), n_resamples=evaluation.bootstrap_samples, seed=evaluation.seed
    )
    return summary | {"methods": methods}


def write_page(summary: dict[str, Any], example: dict[str, np.ndarray], study: dict[str, Any]) -> str:
    """The self-contained HTML page of the experiment."""
    target = study["modalities"][missing_channel(study)]
    return incomplete_page(summary, example, target, "phantom" if study["phantom"] else study["cohort"])


def tabulate(summary: dict[str, Any]) -> str:
    """The same in the terminal: the run ends by printing it."""
    return "\n".join([*incomplete_verdict(summary), "", *(table.to_text() for table in incomplete_tables(summary))])
