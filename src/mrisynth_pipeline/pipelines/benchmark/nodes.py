"""All methods in one comparison."""

import logging
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.cohort import truth_dir
from mrisynth_pipeline.evaluation.exam import SEGMENTED
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.imaging.tissues import tissue_map
from mrisynth_pipeline.metrics.benchmark import summarise_benchmark
from mrisynth_pipeline.metrics.downstream import summarise_downstream
from mrisynth_pipeline.metrics.perceptual import perceptual_distance
from mrisynth_pipeline.metrics.regions import DETAILS
from mrisynth_pipeline.pipelines.benchmark.contest import Contest, fit_segmenters, sittings_of, trials_of
from mrisynth_pipeline.pipelines.benchmark.forecast import forecast, in_words
from mrisynth_pipeline.pipelines.benchmark.parameters import BenchmarkParameters
from mrisynth_pipeline.pipelines.healthy import healthy_phantoms
from mrisynth_pipeline.pipelines.methods import BASELINES
from mrisynth_pipeline.pipelines.study import segmentation_obstacle
from mrisynth_pipeline.pipelines.trials import run_trials, unfinished
from mrisynth_pipeline.reporting.benchmark import asked_table, benchmark_verdict, cost_table
from mrisynth_pipeline.reporting.benchmark_page import benchmark_page
from mrisynth_pipeline.reporting.provenance import git_commit
from mrisynth_pipeline.reporting.tables import leaderboard
from mrisynth_pipeline.training.segmentation import SegmentationParameters

logger = logging.getLogger(__name__)

_OTHER_PEOPLE = 100_003
"""Added to the cohort's seed for the healthy: nobody of the study is among them."""


def segment_tissues(study: dict[str, Any], raw_cohort: dict[str, Any], subjects: SubjectStore) -> dict[str, np.ndarray]:
    """Subject → tissue map ``[z, y, x]`` of everybody: the phantom's truth, or a rough guess from the T1.

    A subject without a T1 is left out: its errors are not told by tissue.
    """
    truth = truth_dir(Path(raw_cohort["raw_dir"])) if study["phantom"] else None
    found, lacking = {}, []
    for subject in (name for part in ("train", "validation", "test") for name in study[part]):
        tissues, source = tissue_map(subjects.open(subject), truth)
        if tissues is None:
            lacking.append(f"{subject} ({source})")
        else:
            found[subject] = tissues
    if lacking:
        logger.warning("No errors by tissue of %d subjects: %s", len(lacking), ", ".join(lacking[:3]))
    return found


def run_contest(
    study: dict[str, Any],
    raw_cohort: dict[str, Any],
    split: pd.DataFrame,
    subjects: SubjectStore,
    tissues: dict[str, np.ndarray],
    workspace: Path,
    healthy_workspace: Path,
    parameters: BenchmarkParameters,
    evaluation: EvaluationParameters,
    segmentation: SegmentationParameters,
    preprocessing: PreprocessingParameters,
    phantom: PhantomParameters,
    standard: dict[str, Any],
    groups: dict[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Train and examine every contestant; each finished training is kept and not repeated.

    Returns:
        Scores of all examinations, those of the limits, segmentations, one row of costs per training, and what else
        the page must say: ``absent`` (what is missing and why), ``failures`` (trainings that failed or could not be).

    Raises:
        InputError: A contestant or the folds do not fit the study, before anything has been trained.
        RuntimeError: Every training failed.
    """
    absent: dict[str, str] = {}
    if reason := perceptual_distance()[1]:
        absent["LPIPS"] = reason
        logger.warning("No LPIPS: %s", reason)
    healthy = None
    if parameters.healthy_subjects and study["phantom"] and not segmentation_obstacle(study):
        store = healthy_phantoms(
            phantom,
            preprocessing,
            study,
            standard,
            parameters.healthy_subjects,
            healthy_workspace,
            seed=phantom.seed + _OTHER_PEOPLE,
            registered=bool(raw_cohort["registered"]),
        )
        healthy = (store, store.subjects())
    elif parameters.healthy_subjects:
        absent["healthy subjects"] = (
            "no subject of the study is known to be healthy: only phantoms without a tumour are"
        )
    contest = Contest(study, split, subjects, tissues, healthy, groups, parameters, evaluation, segmentation)
    for name in parameters.chosen:  # wrong options are named before anything is trained
        contest.options(name, 0)
    if reason := segmentation_obstacle(study):
        absent["tumour segmentation"] = reason + ("; tissues are segmented instead" if tissues else "")
    fit_segmenters(contest, workspace)
    sittings = sittings_of(contest, workspace)
    trials, obstacles = contest.trials(sittings)
    if parameters.forecast:
        open_trials = unfinished(trials, workspace)
        seconds = forecast(contest, open_trials, sittings[0].exam, workspace)
        logger.info(in_words(seconds, len(open_trials), len(trials), parameters.workers))
    tables = run_trials(trials, workspace, parameters.workers, partial(trials_of, contest, workspace))
    failures = obstacles + tables.get("failures", pd.DataFrame()).to_dict("records")
    return (
        tables["scores"],
        tables["limits"],
        tables.get(SEGMENTED, pd.DataFrame({"method": []})),
        tables["costs"].merge(tables["trials"], on=["variant", "seed", "fold"]),
        {"absent": absent, "failures": failures},
    )


def summarise(
    scores: pd.DataFrame,
    limits: pd.DataFrame,
    segmentations: pd.DataFrame,
    costs: pd.DataFrame,
    remarks: dict[str, Any],
    study: dict[str, Any],
    parameters: BenchmarkParameters,
    evaluation: EvaluationParameters,
) -> dict[str, Any]:
    """The numbers of the page; see :mod:`mrisynth_pipeline.metrics.benchmark` and ``.downstream``."""
    bootstrap = {"n_resamples": evaluation.bootstrap_samples, "seed": evaluation.seed}
    baselines = [name for name, c in parameters.contestants.items() if c.method in BASELINES]
    summary = summarise_benchmark(
        scores,
        limits,
        costs,
        details=DETAILS,
        baselines=baselines,
        n_worst=parameters.failures,
        **bootstrap,
    )
    fold_of = scores.groupby("subject", sort=False)["fold"].first()
    about = {
        "fold_of": {str(subject): int(fold) for subject, fold in fold_of.items()},
        "downstream": summarise_downstream(segmentations, **bootstrap) if len(segmentations) else {},
        "cohort": "phantom" if study["phantom"] else study["cohort"],
        "modalities": study["modalities"],
        "steps_share": parameters.steps_share,
        "subsets": parameters.subsets,
    }
    return summary | about | remarks


def write_page(
    summary: dict[str, Any], slices: dict[str, np.ndarray], study: dict[str, Any], subjects: SubjectStore
) -> str:
    """The self-contained HTML page of the benchmark."""
    modalities = study["modalities"]

    def scan(subject: str, z: int) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        file = subjects.open(subject)
        labels = file.segmentation()
        return dict(zip(modalities, file.slice(z), strict=True)), None if labels is None else labels[z]

    commit = git_commit(Path.cwd()) or "not under git"
    byline = f"{date.today().isoformat()} · code {commit} · data {study['data_fingerprint'][:12]}"
    return benchmark_page(summary, slices, scan, byline)


def tabulate(summary: dict[str, Any]) -> str:
    """The same in the terminal: the run ends by printing it."""
    tables = [leaderboard(summary["scores"], summary["cohort"]), asked_table(summary["asked"]), cost_table(summary)]
    return "\n".join([*benchmark_verdict(summary), "", *(table.to_text() for table in tables if table)])
