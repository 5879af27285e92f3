"""CodeBrain's published ablation, run here: each of its choices set otherwise, over several seeds."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.harness import score_cohort, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.true_codes import TrueCodes
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.codes import perplexity
from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.statistics import summarise_scores
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.ablation.parameters import CodeBrainAblationParameters, settings_of
from mrisynth_pipeline.pipelines.folds import folds_of
from mrisynth_pipeline.pipelines.recipes import RECIPES
from mrisynth_pipeline.pipelines.study import complete_subjects, training_identity
from mrisynth_pipeline.pipelines.trials import Trial, run_trials
from mrisynth_pipeline.reporting.codebrain_ablation import (
    FULL,
    IMPUTATION,
    STAGES,
    TRUE_CODES,
    ablation_page,
    ablation_tables,
    ablation_verdict,
)

_CASE = ["method", "subject", "inputs", "target"]


def run_variants(
    study: dict[str, Any],
    split: pd.DataFrame,
    subjects: SubjectStore,
    workspace: Path,
    codebrain: dict[str, Any],
    parameters: CodeBrainAblationParameters,
    evaluation: EvaluationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train both stages of every variant with every seed on every fold; each finished one is kept and not repeated.

    A variant that changes Stage II alone trains its Stage I anew: it comes to the same one, and its time is measured.

    Returns:
        Scores of the complete test subjects, ``stage`` saying of what: Stage I with the true codes, or the imputation;
        use of the codebook on them (of the variants that have one); and weights and seconds of each training.

    Raises:
        InputError: A variant, the folds or the cohort do not fit; nothing has been trained then.
    """
    settings = {
        (name, seed): settings_of(name, seed, parameters, codebrain)
        for seed in range(parameters.seeds)
        for name in parameters.chosen
    }
    folds = folds_of(study, split, parameters.folds, f"{parameters.group}.folds")
    judges = [_Judge(folded, subjects, parameters, evaluation) for folded in folds]
    recipe, trials = RECIPES["codebrain"], []
    for seed in range(parameters.seeds):
        for fold, judge in enumerate(judges):
            for name in parameters.chosen:
                options = settings[name, seed]
                recipe.members(options, judge.study, subjects)  # says, if so, that nobody is left to train on
                train = partial(recipe.train, options, judge.study, subjects)
                tracked_as = f"ablation/{name}/{seed}/{fold}"
                trials.append(
                    Trial(
                        name,
                        seed,
                        fold,
                        training_identity(judge.study, *options.values()),
                        judge.identity,
                        partial(_trained, train, tracked_as),
                        partial(judge, name),
                    )
                )
    tables = run_trials(trials, workspace)
    return tables["scores"], tables.get("codes", pd.DataFrame({"variant": []})), tables["trials"]


def _trained(train: Any, tracked_as: str, folder: Path) -> TrainedModel:
    return train(folder, tracked_as)


class _Judge:
    """What every training on one fold is worth: by the true codes, and as an imputer, on the same subjects and subsets.

    Raises:
        InputError: No test subject has every contrast: there are no true codes.
    """

    def __init__(
        self,
        study: dict[str, Any],
        subjects: SubjectStore,
        parameters: CodeBrainAblationParameters,
        evaluation: EvaluationParameters,
    ) -> None:
        self.study, self.subjects, self.evaluation = study, subjects, evaluation
        self.subsets, self.modalities = parameters.subsets, tuple(study["modalities"])
        self.members = complete_subjects(study, "test")[: parameters.test_subjects]
        if not self.members:
            raise InputError(f"test part of {study['cohort']}", "nobody is in it", f"Set {parameters.group}.folds")
        asked = study | {"fingerprint": f"{study['fingerprint']} {self.members} {self.subsets}"}
        self.identity = training_identity(asked, evaluation)

    def covers(self, available: torch.Tensor, target: int) -> bool:
        """Whether a subset is among those that are scored."""
        return self.subsets == "all" or int(available.sum()) in (1, len(self.modalities) - 1)

    def __call__(self, name: str, model: TrainedModel) -> dict[str, pd.DataFrame]:
        """Scores of both stages, and how much of its codebook the true codes take."""
        method = model.network.to(usable_device(self.evaluation.device))
        true_codes = TrueCodes(method.autoencoder, self.evaluation)
        scores = []
        for stage, predict in ((TRUE_CODES, true_codes), (IMPUTATION, through_the_door(method, self.evaluation))):
            found = score_cohort(
                f"{name}, {stage}",
                predict,
                self.subjects,
                self.members,
                self.modalities,
                self.evaluation,
                self.study["slice_windows"],
                self.covers,
            )
            scores.append(found.drop(columns="method").assign(stage=stage))
        tables = {"scores": pd.concat(scores, ignore_index=True)}
        if method.architecture.quantise:
            counts = true_codes.counts.numpy()
            use = {"codebook_size": len(counts), "n_used": int((counts > 0).sum()), "perplexity": perplexity(counts)}
            tables["codes"] = pd.DataFrame([use])
        return tables


def summarise_variants(
    scores: pd.DataFrame,
    codes: pd.DataFrame,
    trials: pd.DataFrame,
    parameters: CodeBrainAblationParameters,
    evaluation: EvaluationParameters,
) -> dict[str, Any]:
    """The numbers of the ablation's page.

    Returns:
        ``seeds`` and ``folds`` (numbers); per variant ``parameters`` and ``seconds`` (mean over its trainings);
        ``codes`` (variant → ``codebook_size``, and the mean over its trainings of ``n_used`` and ``perplexity``); and
        ``stages``, of ``true_codes`` and ``imputation`` each: ``scores`` (see ``summarise_scores``; each subject
        averaged over the seeds first), ``seed_means`` (mean volume PSNR of each seed, in dB), their standard deviation
        ``seed_sd``, and ``comparisons``: volume PSNR of all variants with ``full``, one Holm family; of the true codes
        those that have a Stage I of their own.
    """
    bootstrap = {"n_resamples": evaluation.bootstrap_samples, "seed": evaluation.seed}
    scores = scores.rename(columns={"variant": "method"})
    means = trials.groupby("variant", sort=False)[["parameters", "seconds"]].mean()
    shared = {name for name, variant in parameters.variants.items() if name != FULL and variant.shares_stage1}
    use = codes.groupby("variant", sort=False)[["codebook_size", "n_used", "perplexity"]].mean() if len(codes) else None
    return {
        "seeds": int(trials["seed"].nunique()),
        "folds": int(trials["fold"].nunique()),
        "parameters": means["parameters"].to_dict(),
        "seconds": means["seconds"].to_dict(),
        "codes": {} if use is None else use.to_dict(orient="index"),
        "stages": {
            stage: _stage(scores[scores["stage"] == stage], shared if stage == TRUE_CODES else set(), bootstrap)
            for stage in STAGES
        },
    }


def _stage(scores: pd.DataFrame, uncompared: set[str], bootstrap: dict[str, int]) -> dict[str, Any]:
    """The numbers of one stage of all variants."""
    numbers = [name for name in scores.columns if name.startswith(("n_", "slice_", "volume_"))]
    averaged = scores.groupby(_CASE, sort=False)[numbers].mean().reset_index()
    averaged = averaged.astype({"n_inputs": int, "n_slices": int})
    variants = list(dict.fromkeys(averaged["method"]))
    by_seed = scores.groupby(["method", "seed"], sort=False)["volume_psnr"].mean()
    return {
        "scores": summarise_scores(averaged, references=(), **bootstrap),
        "seed_means": {name: by_seed[name].tolist() for name in variants},
        "seed_sd": by_seed.groupby(level="method", sort=False).std(ddof=1).fillna(0.0).to_dict(),
        "comparisons": compare_methods(
            averaged,
            [name for name in variants if name not in uncompared],
            "volume_psnr",
            higher_is_better=True,
            reference=FULL,
        ),
    }


def write_page(summary: dict[str, Any], study: dict[str, Any]) -> str:
    """The self-contained HTML page of the ablation."""
    return ablation_page(summary, "phantom" if study["phantom"] else study["cohort"])


def tabulate_variants(summary: dict[str, Any]) -> str:
    """The same in the terminal: the run ends by printing it."""
    return "\n".join([*ablation_verdict(summary), "", *(table.to_text() for table in ablation_tables(summary))])
