"""What NeuroQuant's autoencoder is worth: its peer, its ceiling and its own switches, trained alike."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.reconstruction import count_codes, score_reconstructions
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.codes import summarise_codes
from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.reconstruction import BRAIN, summarise_reconstructions
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.neuroquant import NeuroQuantArchitecture
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.folds import folds_of
from mrisynth_pipeline.pipelines.neuroquant.training import train_anatomical_autoencoder
from mrisynth_pipeline.pipelines.neuroquant_ablation.parameters import NeuroQuantAblationParameters, settings_of
from mrisynth_pipeline.pipelines.neuroquant_ablation.training import train_vqvae
from mrisynth_pipeline.pipelines.study import training_identity
from mrisynth_pipeline.pipelines.trials import Trial, run_trials
from mrisynth_pipeline.reporting.autoencoders import (
    JOINT,
    PEER,
    comparison_page,
    comparison_tables,
    comparison_verdict,
)
from mrisynth_pipeline.training.anatomical import AnatomicalParameters

_IMAGE = ["method", "subject", "modality", "region"]
_USE = ("codebook_size", "n_tokens", "usage", "perplexity")


def run_variants(
    study: dict[str, Any],
    split: pd.DataFrame,
    subjects: SubjectStore,
    workspace: Path,
    architecture: NeuroQuantArchitecture,
    training: AnatomicalParameters,
    parameters: NeuroQuantAblationParameters,
    evaluation: EvaluationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train every variant with every seed on every fold; each finished one is kept and not repeated.

    Returns:
        Scores of the test subjects' reconstructions, use of the codebook (of the variants that have one), and weights
        and seconds of each training.

    Raises:
        InputError: A variant or the folds do not fit the study; nothing has been trained then.
    """
    folds = folds_of(study, split, parameters.folds, f"{parameters.group}.folds")
    for folded in folds:
        if not folded["test"]:
            raise InputError(f"test part of {study['cohort']}", "nobody is in it", "Set neuroquant_ablation.folds")
    trials = [
        _trial(name, seed, fold, folded, subjects, architecture, training, parameters, evaluation)
        for seed in range(parameters.seeds)
        for fold, folded in enumerate(folds)
        for name in parameters.chosen
    ]
    tables = run_trials(trials, workspace)
    return tables["scores"], tables.get("codes", pd.DataFrame({"variant": []})), tables["trials"]


def _trial(
    name: str,
    seed: int,
    fold: int,
    study: dict[str, Any],
    subjects: SubjectStore,
    architecture: NeuroQuantArchitecture,
    training: AnatomicalParameters,
    parameters: NeuroQuantAblationParameters,
    evaluation: EvaluationParameters,
) -> Trial:
    network, schedule = settings_of(name, seed, parameters, architecture, training, study["modalities"])
    train = train_anatomical_autoencoder if parameters.variants[name].network == "neuroquant" else train_vqvae
    return Trial(
        name,
        seed,
        fold,
        training_identity(study, network, schedule),
        training_identity(study, evaluation),
        lambda folder: train(network, schedule, study, subjects, folder, f"ablation/{name}/{seed}/{fold}")[0],
        partial(_judge, name, study, subjects, evaluation),
    )


def _judge(
    name: str, study: dict[str, Any], subjects: SubjectStore, evaluation: EvaluationParameters, model: TrainedModel
) -> dict[str, pd.DataFrame]:
    """Scores of one training's reconstructions of all test subjects, and how much of its codebook they take."""
    network = model.network.to(usable_device(evaluation.device))
    everyone = evaluation.model_copy(update={"ceiling_subjects": None})
    scores = score_reconstructions(name, network, subjects, study["test"], everyone)
    tables = {"scores": scores.drop(columns="method")}
    if network.discrete:
        use = summarise_codes(count_codes(name, network, subjects, study["test"]))[name]
        tables["codes"] = pd.DataFrame([{column: use[column] for column in _USE}])
    return tables


def summarise_variants(
    scores: pd.DataFrame, codes: pd.DataFrame, trials: pd.DataFrame, evaluation: EvaluationParameters
) -> dict[str, Any]:
    """The numbers of the comparison's page.

    Returns:
        ``seeds`` and ``folds`` (numbers); per variant ``parameters`` and ``seconds`` (mean over its trainings),
        ``seed_means`` (mean brain PSNR of each seed) and their standard deviation ``seed_sd``; ``reconstruction`` (see
        ``summarise_reconstructions``; each image averaged over the seeds first); ``codes`` (variant → a list with the
        use of the codebook in each training); ``comparisons`` (brain PSNR of all variants with ``joint``, one Holm
        family) and ``question`` (``joint`` with ``monai_vqvae`` alone: the one that was asked beforehand).
    """
    bootstrap = {"n_resamples": evaluation.bootstrap_samples, "seed": evaluation.seed}
    scores = scores.rename(columns={"variant": "method"})
    averaged = scores.groupby(_IMAGE, sort=False)[["psnr", "ssim"]].mean().reset_index()
    reconstruction = summarise_reconstructions(averaged, **bootstrap)
    variants = list(reconstruction["methods"])
    brain = scores[scores["region"] == BRAIN].groupby(["method", "seed"])["psnr"].mean()
    means = trials.groupby("variant", sort=False)[["parameters", "seconds"]].mean()
    paired = averaged[averaged["region"] == BRAIN].rename(columns={"modality": "target"}).assign(inputs="itself")
    against = partial(compare_methods, paired, column="psnr", higher_is_better=True)
    return {
        "seeds": int(trials["seed"].nunique()),
        "folds": int(trials["fold"].nunique()),
        "parameters": means["parameters"].to_dict(),
        "seconds": means["seconds"].to_dict(),
        "seed_means": {name: brain[name].tolist() for name in variants},
        "seed_sd": brain.groupby(level="method").std(ddof=1).fillna(0.0).to_dict(),
        "reconstruction": reconstruction,
        "codes": {
            str(name): part.sort_values(["seed", "fold"])[["seed", "fold", *_USE]].to_dict(orient="records")
            for name, part in codes.groupby("variant", sort=False)
        },
        "comparisons": against(variants, reference=JOINT),
        "question": against([name for name in (JOINT, PEER) if name in variants], reference=PEER),
    }


def write_page(summary: dict[str, Any], study: dict[str, Any]) -> str:
    """The self-contained HTML page of the comparison."""
    return comparison_page(summary, "phantom" if study["phantom"] else study["cohort"])


def tabulate_variants(summary: dict[str, Any]) -> str:
    """The same in the terminal: the run ends by printing it."""
    return "\n".join([*comparison_verdict(summary), "", *(table.to_text() for table in comparison_tables(summary))])
