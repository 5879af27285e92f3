"""Methods that are trained side by side: each a recipe, maybe with options of its own."""

from collections.abc import Mapping
from typing import Any

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

    @model_validator(mode="after")
    def _method_is_known(self) -> "Contestant":
        if self.method not in RECIPES:
            raise ValueError(f"there is no method {self.method!r}; there are {', '.join(RECIPES)}")
        if unknown := sorted(set(self.options) - set(RECIPES[self.method].parts)):
            raise ValueError(
                f"{self.method} has no {unknown}; it has {', '.join(RECIPES[self.method].parts) or 'none'}"
            )
        return self


def chosen_of(only: str, contestants: Mapping[str, Contestant], option: str) -> list[str]:
    """The names in ``a+b``, or all of them if it is empty.

    Raises:
        ValueError: A name is none of the contestants'.
    """
    if not only:
        return list(contestants)
    names = only.split("+")
    if unknown := sorted(set(names) - set(contestants)):
        raise ValueError(f"{option}={only} names {', '.join(unknown)}: there are {', '.join(contestants)}")
    return names


def settings_of(
    contestant: Contestant, where: str, seed: int, steps_share: float, groups: Mapping[str, Any]
) -> Options:
    """The options of one training of one contestant.

    Args:
        contestant: Method and changes.
        where: Its place in the parameters, for messages.
        seed: Of weights and batches.
        steps_share: Factor on the steps of every training; at least one step is left.
        groups: Method → its group of parameters, as in ``conf/``; a part that is not there has its defaults.

    Raises:
        InputError: The contestant changes an option that does not exist, or to a wrong value.
    """
    options = {}
    for part, group in RECIPES[contestant.method].parts.items():
        base, changes = groups.get(contestant.method, {}).get(part, {}), contestant.options.get(part, {})
        try:
            options[part] = scheduled(group, base, changes, seed, steps_share)
        except ValidationError as error:
            raise refusal(f"{where}.{part}", error, f"Name options of {contestant.method}.{part}") from error
    return options
