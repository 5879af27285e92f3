"""Parameters of the ablation."""

from typing import Any

from pydantic import Field, ValidationError, model_validator

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.mechanism import MechanismParameters
from mrisynth_pipeline.evaluation.parameters import RobustnessParameters
from mrisynth_pipeline.models.aginet import AGINetArchitecture
from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.training.translation import TranslationParameters


class Variant(Parameters):
    """What a variant changes of ``aginet.architecture`` and ``aginet.training``."""

    architecture: dict[str, Any] = Field(default_factory=dict)
    """Options of the network."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Options of its training."""


class AblationParameters(Parameters):
    """Which variants are compared, and on whom (``params:aginet_ablation``)."""

    variants: dict[str, Variant] = Field(min_length=2)
    """Name → changes; ``conv``, the plain network, is what the others are compared with."""
    only: str = ""
    """The variants to train, such as ``conv+cagr``; empty: all."""
    seeds: int = Field(3, ge=1)
    """Trainings of each variant, with the seeds 0, 1, …"""
    folds: int = Field(0, ge=0)
    """0: the study's own training and test parts. k: all subjects in k folds, each tested on once."""
    steps: int | None = Field(None, ge=1)
    """Optimiser steps of each training; ``None``: those of ``aginet.training``."""
    robustness: RobustnessParameters = RobustnessParameters()
    """The misaligned inputs on which every training is judged, beside the aligned ones."""
    mechanism: MechanismParameters = MechanismParameters()
    """How the learned offsets are probed."""

    @model_validator(mode="after")
    def _only_names_variants(self) -> "AblationParameters":
        if unknown := set(self.chosen) - set(self.variants):
            known = ", ".join(self.variants)
            raise ValueError(f"aginet_ablation.only={self.only} names {', '.join(sorted(unknown))}: there are {known}")
        return self

    @property
    def chosen(self) -> list[str]:
        """Names of the variants to train."""
        return self.only.split("+") if self.only else list(self.variants)


def settings_of(
    name: str,
    seed: int,
    parameters: AblationParameters,
    architecture: AGINetArchitecture,
    training: TranslationParameters,
) -> tuple[AGINetArchitecture, TranslationParameters]:
    """The options of one training of one variant.

    Raises:
        InputError: The variant changes an option that does not exist, or to a wrong value.
    """
    changes = parameters.variants[name]
    optimisation = {"seed": seed} | ({} if parameters.steps is None else {"steps": parameters.steps})
    try:
        return (
            AGINetArchitecture.model_validate(_merged(architecture.model_dump(), changes.architecture)),
            TranslationParameters.model_validate(
                _merged(_merged(training.model_dump(), changes.training), {"optimisation": optimisation})
            ),
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        option = [".".join(str(part) for part in fault["loc"])] if fault["loc"] else []  # none where several disagree
        unknown = fault["type"] == "extra_forbidden"
        problem = ": ".join([*option, "no such option" if unknown else fault["msg"].removeprefix("Value error, ")])
        remedy = "Name options of aginet.architecture and aginet.training"
        raise InputError(f"aginet_ablation.variants.{name}", problem, remedy) from error


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested options with some replaced."""
    return base | {
        key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in changes.items()
    }
