"""Parameters of the experiment on incomplete cohorts."""

from typing import Literal

from pydantic import Field, model_validator

from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.pipelines.contestants import Contestant, chosen_of


class CohortContestant(Contestant):
    """A method that is trained on ever fewer scans."""

    fractions: tuple[float, ...] | None = None
    """The fractions at which it is trained; ``None``: all."""
    complete_as: str = ""
    """The contestant that it equals as long as nothing is missing, whose scores at 0 are taken for its own."""


class IncompleteCohortsParameters(Parameters):
    """Who is trained on how much (``params:incomplete_cohorts``)."""

    contestants: dict[str, CohortContestant] = Field(min_length=1)
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
        chosen_of(self.only, self.contestants, "incomplete_cohorts.only")
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
        return chosen_of(self.only, self.contestants, "incomplete_cohorts.only")

    def fractions_of(self, name: str) -> list[float]:
        """At which a contestant is trained, smallest first."""
        contestant = self.contestants[name]
        wanted = self.fractions if contestant.fractions is None else contestant.fractions
        return sorted(f for f in self.fractions if f in wanted and not (f == 0 and contestant.complete_as))
