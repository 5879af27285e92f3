"""How each method is trained from its group of parameters, in one form: for pipelines that compare several."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.aginet import AGINet, AGINetArchitecture
from mrisynth_pipeline.models.codebrain import CodeBrainArchitecture
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.mmhvae import MMHVAEArchitecture
from mrisynth_pipeline.models.neuroquant import NeuroQuantArchitecture
from mrisynth_pipeline.models.packaging import NETWORKS, TrainedModel
from mrisynth_pipeline.models.resunet import ResUNet, ResUNetArchitecture
from mrisynth_pipeline.pipelines.evaluation.nodes import fit_baselines
from mrisynth_pipeline.pipelines.incomplete import members_for_imputation, paired_subjects
from mrisynth_pipeline.pipelines.mmhvae.nodes import train_mmhvae
from mrisynth_pipeline.pipelines.neuroquant.training import train_anatomical_autoencoder, train_index_predictor
from mrisynth_pipeline.pipelines.stage1.nodes import train_autoencoder
from mrisynth_pipeline.pipelines.stage2.nodes import train_code_predictor
from mrisynth_pipeline.pipelines.study import complete_subjects
from mrisynth_pipeline.pipelines.translation import train_translator
from mrisynth_pipeline.training.anatomical import AnatomicalParameters
from mrisynth_pipeline.training.autoencoding import AutoencodingParameters
from mrisynth_pipeline.training.code_prediction import CodePredictionParameters
from mrisynth_pipeline.training.hierarchical import HierarchicalParameters
from mrisynth_pipeline.training.index_prediction import IndexPredictionParameters
from mrisynth_pipeline.training.translation import TranslationParameters

Options = Mapping[str, BaseModel]
"""Part of a method's group (``architecture``, ``stage1``, …) → its parameters."""

Train = Callable[[Options, dict[str, Any], SubjectStore, Path, str], TrainedModel]
"""Options, study, files, folder of the training, and prefix in MLflow in; the imputer with its card out."""

Members = Callable[[Options, dict[str, Any], SubjectStore], list[str]]
"""Who of the training part can be trained on; an InputError says why nobody can."""


@dataclass(frozen=True)
class Recipe:
    """One method."""

    parts: Mapping[str, type[BaseModel]]
    """Parts of its group of parameters that its training takes; those with ``optimisation`` are trainings."""
    members: Members
    train: Train


def _codebrain(options: Options, study: dict, subjects: SubjectStore, folder: Path, tracked_as: str) -> TrainedModel:
    stage1, _ = train_autoencoder(
        study, subjects, folder / "stage1", options["architecture"], options["stage1"], f"{tracked_as}/stage1"
    )
    return train_code_predictor(stage1, study, subjects, folder / "stage2", options["stage2"], f"{tracked_as}/stage2")[
        0
    ]


def _neuroquant(options: Options, study: dict, subjects: SubjectStore, folder: Path, tracked_as: str) -> TrainedModel:
    stage1, _ = train_anatomical_autoencoder(
        options["architecture"], options["stage1"], study, subjects, folder / "stage1", f"{tracked_as}/stage1"
    )
    return train_index_predictor(stage1, options["stage2"], study, subjects, folder / "stage2", f"{tracked_as}/stage2")[
        0
    ]


def _translator(network: type[ResUNet]) -> Train:
    def train(options: Options, study: dict, subjects: SubjectStore, folder: Path, tracked_as: str) -> TrainedModel:
        return train_translator(
            network, options["architecture"], options["training"], study, subjects, folder, tracked_as
        )[0]

    return train


def _mmhvae(options: Options, study: dict, subjects: SubjectStore, folder: Path, tracked_as: str) -> TrainedModel:
    return train_mmhvae(study, subjects, folder, options["architecture"], options["training"], tracked_as)[0]


def _baseline(number: int) -> Train:
    return lambda options, study, subjects, folder, tracked_as: fit_baselines(study, subjects)[number]


def _complete(options: Options, study: dict[str, Any], subjects: SubjectStore) -> list[str]:
    return complete_subjects(study, "train")


def _everyone(options: Options, study: dict[str, Any], subjects: SubjectStore) -> list[str]:
    return list(study["train"])


RECIPES: dict[str, Recipe] = {
    "codebrain": Recipe(
        {"architecture": CodeBrainArchitecture, "stage1": AutoencodingParameters, "stage2": CodePredictionParameters},
        lambda options, study, subjects: members_for_imputation(study, subjects, options["stage1"].incomplete)[0],
        _codebrain,
    ),
    "neuroquant": Recipe(
        {"architecture": NeuroQuantArchitecture, "stage1": AnatomicalParameters, "stage2": IndexPredictionParameters},
        lambda options, study, subjects: paired_subjects(study, subjects, "train"),
        _neuroquant,
    ),
    "resunet": Recipe(
        {"architecture": ResUNetArchitecture, "training": TranslationParameters}, _complete, _translator(ResUNet)
    ),
    "aginet": Recipe(
        {"architecture": AGINetArchitecture, "training": TranslationParameters}, _complete, _translator(AGINet)
    ),
    "mmhvae": Recipe({"architecture": MMHVAEArchitecture, "training": HierarchicalParameters}, _everyone, _mmhvae),
    "linear": Recipe({}, _everyone, _baseline(0)),
    "mean": Recipe({}, _everyone, _baseline(1)),
}
"""Method → how it is trained."""


def register(name: str, recipe: Recipe, network: type[Imputer]) -> None:
    """Add a method of your own, so that every pipeline that compares methods can train and judge it.

    Call it in a module that ``settings.py`` imports, and name the method among the contestants, such as
    ``benchmark.contestants: {mine: {method: mine}}``; see docs/benchmark.md.

    Args:
        name: By which parameters name it; its group of parameters, if it has one, has this name too.
        recipe: How it is trained.
        network: Its class, by whose ``name`` saved models are found.

    Raises:
        ValueError: Either name is taken by another.
    """
    if RECIPES.get(name, recipe) is not recipe or NETWORKS.get(network.name, network) is not network:
        raise ValueError(f"there is a method {name!r} or a network {network.name!r} already: take another name")
    RECIPES[name] = recipe
    NETWORKS[network.name] = network
