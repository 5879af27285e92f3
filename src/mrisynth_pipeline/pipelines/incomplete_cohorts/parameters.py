"""Parameters of the experiment on incomplete cohorts."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.pipelines.recipes import RECIPES, Options
from mrisynth_pipeline.pipelines.variants import refusal, scheduled


class Contestant(Parameters):
    """A method, maybe with options of its own."""

    method: str
    """Whose recipe."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Part of the method's group of parameters → changes."""
    fractions: tuple[float, ...] | None = None
    """The fractions at which it is trained; ``None``: all."""
    complete_as: str = ""
    """The contestant that it equals as long as nothing is missing, whose scores at 0 are taken for its own."""

    @model_validator(mode="after")
    def _method_is_known(self) -> "Contestant":
        if self.method not in RECIPES:
            raise ValueError(f"there is no method {self.method!r}; there are {', '.join(RECIPES)}")
        if unknown := sorted(set(self.options) - set(RECIPES[self.method].parts)):
            raise ValueError(
                f"{self.method} has no {unknown}; it has {', '.join(RECIPES[self.method].parts) or 'none'}"
            )
        return self


class IncompleteCohortsParameters(Parameters):
    """Who is trained on how much (``params:incomplete_cohorts``)."""

    contestants: dict[str, Contestant] = Field(min_length=1)
    """Name in tables → method and options."""
    only: str = ""
    """The contestants to train, such as ``mmhvae+codebrain``; empty: all."""
    fractions: tuple[float, ...] = (0.0, 0.3, 0.5, 0.7)
    """Shares of the training subjects' scans that are hidden at random; those of a smaller share are among those of a
    larger one."""
    seeds: int = Field(1, ge=1)
    """Repetitions with other scans hidden and other weights."""
    folds: int = Field(0, ge=0)
    """0: the study's own training and test parts. k: all subjects in k folds, each tested on once."""
    steps_share: float = Field(1.0, gt=0, le=1)
    """Factor on the steps of every training: shorter trainings for a first look."""
    subsets: Literal["all", "few"] = "all"
    """Input subsets that are scored: ``all``, or ``few``: each contrast alone, and all but one."""
    test_subjects: int | None = Field(None, ge=1)
    """Most test subjects (of each fold); ``None`` takes all."""

    @model_validator(mode="after")
    def _names_and_fractions_fit(self) -> "IncompleteCohortsParameters":
        known = ", ".join(self.contestants)
        if unknown := sorted(set(self.chosen) - set(self.contestants)):
            raise ValueError(f"incomplete_cohorts.only={self.only} names {', '.join(unknown)}: there are {known}")
        if len(set(self.fractions)) < len(self.fractions) or not all(0 <= f < 1 for f in self.fractions):
            raise ValueError(f"incomplete_cohorts.fractions={list(self.fractions)} must be in [0, 1), each once")
        for name, contestant in self.contestants.items():
            if contestant.complete_as and contestant.complete_as not in self.contestants:
                where = f"incomplete_cohorts.contestants.{name}.complete_as"
                raise ValueError(f"{where} names {contestant.complete_as!r}: there are {known}")
        return self

    @property
    def chosen(self) -> list[str]:
        """Names of the contestants to train."""
        return self.only.split("+") if self.only else list(self.contestants)

    def fractions_of(self, name: str) -> list[float]:
        """At which a contestant is trained, smallest first."""
        contestant = self.contestants[name]
        wanted = self.fractions if contestant.fractions is None else contestant.fractions
        return sorted(f for f in self.fractions if f in wanted and not (f == 0 and contestant.complete_as))


def settings_of(
    name: str, seed: int, parameters: IncompleteCohortsParameters, groups: Mapping[str, Mapping[str, Any]]
) -> Options:
    """The options of one training of one contestant.

    Args:
        name: Which contestant.
        seed: Of weights and batches.
        parameters: The experiment.
        groups: Method → its group of parameters, as in ``conf/``.

    Raises:
        InputError: The contestant changes an option that does not exist, or to a wrong value.
    """
    contestant = parameters.contestants[name]
    options = {}
    for part, group in RECIPES[contestant.method].parts.items():
        base, changes = groups[contestant.method][part], contestant.options.get(part, {})
        try:
            options[part] = scheduled(group, base, changes, seed, parameters.steps_share)
        except ValidationError as error:
            remedy = f"Name options of {contestant.method}.{part}"
            raise refusal(f"incomplete_cohorts.contestants.{name}.{part}", error, remedy) from error
    return options
