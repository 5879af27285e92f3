"""Parameters of the benchmark."""

from typing import Literal

from pydantic import Field, model_validator

from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.pipelines.contestants import Contestant, chosen_of


class BenchmarkParameters(Parameters):
    """Who competes, and how (``params:benchmark``)."""

    contestants: dict[str, Contestant] = Field(min_length=1)
    """Name in tables → method and options."""
    only: str = ""
    """The contestants to train, such as ``codebrain+linear``; empty: all."""
    seeds: int = Field(2, ge=1)
    """Trainings of each, with the seeds 0, 1, …; a score is averaged over them before anything is compared."""
    folds: int = Field(0, ge=0)
    """0: the study's own training and test parts. k: all subjects in k folds, each tested on once."""
    steps_share: float = Field(1.0, gt=0, le=1)
    """Factor on the steps of every training: shorter trainings for a first look."""
    subsets: Literal["all", "few"] = "all"
    """Input subsets that are scored: ``all``, or ``few``: each contrast alone, and all but one."""
    test_subjects: int | None = Field(None, ge=1)
    """Most test subjects (of each fold), evenly spread; ``None`` takes all."""
    healthy_subjects: int = Field(3, ge=0)
    """Phantoms without a tumour in whom a segmenter looks for one (studies of the phantom alone)."""
    modality_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Above 0, a second segmenter is trained that meets missing contrasts in this share of its samples; it is shown the
    same imputations."""
    failures: int = Field(10, ge=0)
    """So many of the leading method's worst imputations are shown."""
    workers: int = Field(1, ge=1)
    """Processes that train and examine, each one method at a time and with up to 3 GB; on a GPU leave it at 1."""
    forecast: bool = True
    """Whether to say before the start about how long it will take; a few steps of every training are tried for that."""

    @model_validator(mode="after")
    def _chosen_are_contestants(self) -> "BenchmarkParameters":
        chosen_of(self.only, self.contestants, "benchmark.only")
        return self

    @property
    def chosen(self) -> list[str]:
        """Names of the contestants to train."""
        return chosen_of(self.only, self.contestants, "benchmark.only")
