"""Variants of a method: what each changes of its options, and which of them are trained how often."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.parameters import Parameters

Group = TypeVar("Group", bound=BaseModel)


class Variant(Parameters):
    """What a variant changes of the method's architecture."""

    architecture: dict[str, Any] = Field(default_factory=dict)
    """Options of the network."""


class TrainingVariant(Variant):
    """What a variant of a method with one training changes."""

    training: dict[str, Any] = Field(default_factory=dict)
    """Options of its training."""


class VariantsParameters(Parameters):
    """Which variants are compared, and on whom."""

    group: ClassVar[str]
    """Name of the parameter group, for messages."""

    variants: dict[str, Variant] = Field(min_length=2)
    """Name → changes."""
    only: str = ""
    """The variants to train, such as ``conv+cagr``; empty: all."""
    seeds: int = Field(3, ge=1)
    """Trainings of each variant, with the seeds 0, 1, …"""
    folds: int = Field(0, ge=0)
    """0: the study's own training and test parts. k: all subjects in k folds, each tested on once."""

    @model_validator(mode="after")
    def _only_names_variants(self) -> "VariantsParameters":
        if unknown := set(self.chosen) - set(self.variants):
            known = ", ".join(self.variants)
            raise ValueError(f"{self.group}.only={self.only} names {', '.join(sorted(unknown))}: there are {known}")
        return self

    @property
    def chosen(self) -> list[str]:
        """Names of the variants to train."""
        return self.only.split("+") if self.only else list(self.variants)


class TrainingVariantsParameters(VariantsParameters):
    """The same for a method with one training."""

    variants: dict[str, TrainingVariant] = Field(min_length=2)
    """Name → changes."""
    steps: int | None = Field(None, ge=1)
    """Optimiser steps of each training; ``None``: those of the method's training."""

    def schedule(self, seed: int) -> dict[str, Any]:
        """What all variants' trainings are told alike."""
        return {"optimisation": {"seed": seed} | ({} if self.steps is None else {"steps": self.steps})}


def changed(group: type[Group], options: dict[str, Any], *changes: dict[str, Any]) -> Group:
    """A group of parameters with some, nested ones too, replaced.

    Raises:
        ValidationError: A change names an option that does not exist, or gives it a wrong value.
    """
    for change in changes:
        options = _merged(options, change)
    return group.model_validate(options)


def scheduled(
    group: type[Group], options: Mapping[str, Any], changes: dict[str, Any], seed: int, steps_share: float
) -> Group:
    """The same with the seed of one training, whose steps are a share of those that its options ask for.

    Raises:
        ValidationError: As of :func:`changed`.
    """
    made = changed(group, dict(options), changes)
    if not hasattr(made, "optimisation"):
        return made
    steps = max(round(made.optimisation.steps * steps_share), 1)
    return changed(group, dict(options), changes, {"optimisation": {"seed": seed, "steps": steps}})


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return base | {
        key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in changes.items()
    }


def refusal(where: str, error: ValidationError, remedy: str) -> InputError:
    """What is wrong with a variant, in one line: the first of its faults.

    Args:
        where: The variant.
        error: What its settings were refused with.
        remedy: Whose options it may name.
    """
    fault = error.errors(include_url=False)[0]
    option = [".".join(str(part) for part in fault["loc"])] if fault["loc"] else []  # none where several disagree
    unknown = fault["type"] == "extra_forbidden"
    problem = ": ".join([*option, "no such option" if unknown else fault["msg"].removeprefix("Value error, ")])
    return InputError(where, problem, remedy)
