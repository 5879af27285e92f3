"""Which contrasts a method is given and which it is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """Inputs and targets of a method.

    ``any`` gives it whatever there is and asks for the rest: then both are all contrasts.
    """

    inputs: tuple[str, ...]
    """Contrasts that may be given, in channel order."""
    targets: tuple[str, ...]
    """Contrasts that may be asked for, in channel order."""
    fixed: bool
    """Whether every input must be there; otherwise any of them will do."""


def parse_scenario(text: str, modalities: tuple[str, ...]) -> Scenario:
    """What ``any`` or ``t1+t2->pd`` says.

    Raises:
        ValueError: If it is written otherwise, names an unknown contrast, or asks for what it is given.
    """
    if text == "any":
        return Scenario(modalities, modalities, fixed=False)
    known = f"the study has {', '.join(modalities)}"
    sides = [[name.strip() for name in side.split("+")] for side in text.split("->")]
    if len(sides) != 2:
        raise ValueError(f'scenario {text!r} is neither "any" nor of the form "t1+t2->pd"; {known}')
    inputs, targets = map(set, sides)
    if unknown := sorted((inputs | targets) - set(modalities)):
        raise ValueError(f"scenario {text!r} names {unknown}, which the study lacks; {known}")
    if both := sorted(inputs & targets):
        raise ValueError(f"scenario {text!r} asks for {both}, which it is given; {known}")
    return Scenario(
        tuple(name for name in modalities if name in inputs),
        tuple(name for name in modalities if name in targets),
        fixed=True,
    )
