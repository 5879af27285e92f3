"""What AGI-Net's parts are worth: its variants and controls, trained alike, over several seeds."""

from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.harness import through_the_door
from mrisynth_pipeline.evaluation.mechanism import probe_offsets
from mrisynth_pipeline.evaluation.misalignment import covered_cases, draw_cases, score_misaligned
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.realignment import register_cases
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters, RegistrationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.mechanism import summarise_offsets
from mrisynth_pipeline.metrics.misalignment import NONE
from mrisynth_pipeline.metrics.robustness import summarise_robustness
from mrisynth_pipeline.metrics.statistics import summarise_scores
from mrisynth_pipeline.models.aginet import AGINet, AGINetArchitecture
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.aginet_ablation.parameters import AblationParameters, settings_of
from mrisynth_pipeline.pipelines.folds import folds_of
from mrisynth_pipeline.pipelines.study import complete_subjects, training_identity
from mrisynth_pipeline.pipelines.translation import build_network, train_translator
from mrisynth_pipeline.pipelines.trials import Trial, run_trials
from mrisynth_pipeline.reporting.ablation import FULL, PLAIN, ablation_page, ablation_tables, ablation_verdict
from mrisynth_pipeline.training.translation import TranslationParameters

_CASE = ["method", "subject", "inputs", "target"]

LEARNT = ("circular", "zero_fill")
"""Kinds of rolling whose offsets are learned."""


def run_variants(
    study: dict[str, Any],
    split: pd.DataFrame,
    subjects: SubjectStore,
    workspace: Path,
    architecture: AGINetArchitecture,
    training: TranslationParameters,
    parameters: AblationParameters,
    evaluation: EvaluationParameters,
    preprocessing: PreprocessingParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train every variant with every seed on every fold; each finished one is kept and not repeated.

    Returns:
        Scores of aligned and misaligned inputs, offsets under imposed shifts (of the variants that have offsets), and
        weights and seconds of each training.

    Raises:
        InputError: A variant or the misaligned inputs do not fit the study; nothing has been trained then.
    """
    judges = [
        _Judge(folded, subjects, parameters, evaluation, preprocessing.registration)
        for folded in folds_of(study, split, parameters.folds, f"{parameters.group}.folds")
    ]
    trials = [
        _trial(name, seed, fold, judge, architecture, training, parameters)
        for seed in range(parameters.seeds)
        for fold, judge in enumerate(judges)
        for name in parameters.chosen
    ]
    tables = run_trials(trials, workspace)
    return tables["scores"], tables.get("offsets", pd.DataFrame({"variant": []})), tables["trials"]


def _trial(
    name: str,
    seed: int,
    fold: int,
    judge: "_Judge",
    architecture: AGINetArchitecture,
    training: TranslationParameters,
    parameters: AblationParameters,
) -> Trial:
    network, schedule = settings_of(name, seed, parameters, architecture, training)
    with torch.device("meta"):  # whether it can be built, before anything is trained
        unmade = build_network(AGINet, network, judge.study, f"aginet_ablation.variants.{name}")
    judge.check(unmade)
    train = partial(train_translator, AGINet, network, schedule, judge.study, judge.subjects)
    return Trial(
        name,
        seed,
        fold,
        training_identity(judge.study, network, schedule),
        judge.identity,
        lambda folder: train(folder, f"ablation/{name}/{seed}/{fold}")[0],
        partial(judge, name),
    )


class _Judge:
    """What every training on one fold is worth: on aligned and misaligned inputs, the same for all, and by its offsets.

    Raises:
        InputError: The study's contrasts are too few to misalign one.
    """

    def __init__(
        self,
        study: dict[str, Any],
        subjects: SubjectStore,
        parameters: AblationParameters,
        evaluation: EvaluationParameters,
        registration: RegistrationParameters,
    ) -> None:
        self.study, self.subjects, self.evaluation = study, subjects, evaluation
        self._parameters, self._registration = parameters, registration
        self._modalities, self._members = tuple(study["modalities"]), complete_subjects(study, "test")
        spacing = tuple(reversed(study["grid"]["spacing_mm"]))
        try:
            self._drawn = draw_cases(self._members, self._modalities, parameters.robustness, spacing)
        except InputError as error:
            raise InputError(f"aginet_ablation.{error.where}", error.problem, error.remedy) from error
        groups = [parameters.robustness, parameters.mechanism, evaluation, registration]
        self.identity = training_identity(study, *groups)

    @cached_property
    def _cases(self) -> pd.DataFrame:
        """The misaligned inputs; registered when the first training is judged, if at all."""
        return register_cases(self._drawn, self.subjects, self._parameters.robustness, self._registration)

    def check(self, network: AGINet) -> None:
        """Refuse a network that is asked for nothing by any of the cases.

        Raises:
            InputError: Its fixed scenario and the misaligned inputs have nothing in common.
        """
        if covered_cases(self._drawn, self._modalities, network.covers).empty:
            raise InputError(
                "aginet_ablation.robustness.inputs",
                f"nothing that scenario {network.architecture.scenario} was made for is asked of it",
                "Name the scenario's inputs there",
            )

    def __call__(self, name: str, model: TrainedModel) -> dict[str, pd.DataFrame]:
        """Scores of one training on aligned and misaligned inputs, and its offsets."""
        network = model.network.to(usable_device(self.evaluation.device))
        cases = covered_cases(self._cases, self._modalities, network.covers)
        predict, windows = through_the_door(network, self.evaluation), self.study["slice_windows"]
        scores = score_misaligned(name, predict, self.subjects, cases, self._modalities, self.evaluation, windows)
        tables = {"scores": scores.drop(columns="method")}
        if network.spatial_dims == 2 and any(layer.rolling in LEARNT for _, layer in network.adaptive_layers()):
            tables["offsets"] = probe_offsets(network, self.subjects, self._members, self._parameters.mechanism)
        return tables


def summarise_variants(
    scores: pd.DataFrame, offsets: pd.DataFrame, trials: pd.DataFrame, evaluation: EvaluationParameters
) -> dict[str, Any]:
    """The numbers of the ablation's page.

    Returns:
        ``seeds`` and ``folds`` (numbers), ``parameters`` and ``seconds`` per variant (mean over its trainings),
        ``aligned`` (see ``summarise_scores``; each subject averaged over the seeds first), ``seed_sd`` (standard
        deviation between seeds of the mean volume PSNR), ``comparisons`` (all variants with ``conv``, one Holm
        family), ``question`` (``cagr`` with ``conv`` alone: the one that was asked beforehand), ``robustness`` (see
        ``summarise_robustness``) and ``offsets`` (see ``summarise_offsets``).
    """
    bootstrap = {"n_resamples": evaluation.bootstrap_samples, "seed": evaluation.seed}
    scores = scores.rename(columns={"variant": "method"})
    aligned = scores[(scores["kind"] == NONE) & ~scores["registered"]]
    numbers = [name for name in aligned.columns if name.startswith(("n_", "slice_", "volume_"))]
    averaged = aligned.groupby(_CASE, sort=False)[numbers].mean().reset_index()
    averaged = averaged.astype({"n_inputs": int, "n_slices": int})
    variants = list(dict.fromkeys(averaged["method"]))
    by_seed = aligned.groupby(["method", "seed"], sort=False)["volume_psnr"].mean().groupby(level="method", sort=False)
    means = trials.groupby("variant", sort=False)[["parameters", "seconds"]].mean()
    against = partial(compare_methods, averaged, column="volume_psnr", higher_is_better=True, reference=PLAIN)
    return {
        "seeds": int(trials["seed"].nunique()),
        "folds": int(trials["fold"].nunique()),
        "parameters": means["parameters"].to_dict(),
        "seconds": means["seconds"].to_dict(),
        "aligned": summarise_scores(averaged, references=(), **bootstrap),
        "seed_sd": by_seed.std(ddof=1).fillna(0.0).to_dict(),
        "comparisons": against(variants),
        "question": against([name for name in (FULL, PLAIN) if name in variants]),
        "robustness": summarise_robustness(scores, **bootstrap),
        "offsets": [] if offsets.empty else summarise_offsets(offsets),
    }


def write_page(summary: dict[str, Any], study: dict[str, Any]) -> str:
    """The self-contained HTML page of the ablation."""
    return ablation_page(summary, "phantom" if study["phantom"] else study["cohort"])


def tabulate_variants(summary: dict[str, Any]) -> str:
    """The same in the terminal: the run ends by printing it."""
    return "\n".join([*ablation_verdict(summary), "", *(table.to_text() for table in ablation_tables(summary))])
