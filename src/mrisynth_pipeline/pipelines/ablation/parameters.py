"""Parameters of CodeBrain's ablation."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from mrisynth_pipeline.pipelines.recipes import RECIPES, Options
from mrisynth_pipeline.pipelines.variants import Variant, VariantsParameters, refusal, scheduled
from mrisynth_pipeline.reporting.codebrain_ablation import FULL

_OF_STAGE2 = {"code_objective"}
"""Options of the architecture that Stage I does not know."""


class CodeBrainVariant(Variant):
    """What a variant changes of CodeBrain's architecture and of its two trainings."""

    stage1: dict[str, Any] = Field(default_factory=dict)
    """Options of the autoencoder's training."""
    stage2: dict[str, Any] = Field(default_factory=dict)
    """Options of the code predictor's training."""

    @property
    def shares_stage1(self) -> bool:
        """Whether its Stage I is that of CodeBrain without changes."""
        return not self.stage1 and set(self.architecture) <= _OF_STAGE2


class CodeBrainAblationParameters(VariantsParameters):
    """Which variants are compared, and on whom (``params:ablation``).

    They change options of ``codebrain.architecture``, ``codebrain.stage1`` and ``codebrain.stage2``; ``full``,
    CodeBrain as it is, is what the others are compared with.
    """

    group: ClassVar[str] = "ablation"

    variants: dict[str, CodeBrainVariant] = Field(min_length=2)
    """Name → changes."""
    seeds: int = Field(2, ge=1)
    """Trainings of each variant, with the seeds 0, 1, …"""
    steps_share: float = Field(1.0, gt=0, le=1)
    """Factor on the steps of both trainings: shorter ones for a first look."""
    subsets: Literal["all", "few"] = "all"
    """Input subsets that are scored: ``all``, or ``few``: each contrast alone, and all but one."""
    test_subjects: int | None = Field(None, ge=1)
    """Most test subjects (of each fold); ``None`` takes all."""

    @model_validator(mode="after")
    def _full_is_a_variant(self) -> "CodeBrainAblationParameters":
        if FULL not in self.variants:
            raise ValueError(f"ablation.variants has no {FULL!r}, which all others are compared with")
        return self


def settings_of(
    name: str, seed: int, parameters: CodeBrainAblationParameters, groups: Mapping[str, Mapping[str, Any]]
) -> Options:
    """The options of one training of one variant.

    Args:
        name: Which variant.
        seed: Of weights and batches, of both stages.
        parameters: The ablation.
        groups: Part of CodeBrain's group of parameters (``architecture``, ``stage1``, ``stage2``) → its options.

    Raises:
        InputError: The variant changes an option that does not exist, or to a wrong value.
    """
    variant, options = parameters.variants[name], {}
    for part, group in RECIPES["codebrain"].parts.items():
        try:
            options[part] = scheduled(group, groups[part], getattr(variant, part), seed, parameters.steps_share)
        except ValidationError as error:
            where, remedy = f"ablation.variants.{name}.{part}", f"Name options of codebrain.{part}"
            raise refusal(where, error, remedy) from error
    return options
