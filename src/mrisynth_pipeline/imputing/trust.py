"""How far to trust an imputation: findings, a traffic light, and a sentence that says why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.exporting.card_text import NOT_FOR_DIAGNOSIS
from mrisynth_pipeline.reporting.subject_view import Light

LIGHTS: tuple[Light, ...] = ("green", "amber", "red")
"""From good to bad."""

COMPUTED = f"Imputed by a model, not acquired. {NOT_FOR_DIAGNOSIS}"
"""What every image says of itself."""

LITTLE_BETTER = 0.8
"""An error of so much of that of a uniform grey is amber, of all of it red. The choice is ours."""

CLEARLY_WORSE = 1.5
"""How many times the error of the worst tenth of the validation scans is red. The choice is ours."""

MANY_WARNINGS = 3
"""So many reasons to doubt one study make it red. The choice is ours."""

MANY_NOTES = 4
"""So many notes on how unlike the training scans these are make a warning. The choice is ours: see docs/doubt.md."""


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about a study before using what was imputed."""

    severity: Literal["note", "warning"]
    """A warning changes the traffic light, a note does not."""
    about: str
    """Contrast, or "" for the whole study."""
    sentence: str


@dataclass(frozen=True)
class Trust:
    """What to think of one imputed contrast."""

    light: Light
    sentence: str
    expected: float | None
    """Mean expected absolute error inside the brain, as a share of the intensity range; ``None``: unknown."""


def judge(
    target: str,
    expected: float | None,
    typical: tuple[float, float] | None,
    uniform: float | None,
    findings: Sequence[Finding],
) -> Trust:
    """The traffic light of one imputed contrast.

    Red: its expected error is that of a uniform grey image or more, or more than 1.5 times that of the worst tenth of
    the validation scans, or three or more warnings speak against the study. Amber: its expected error is more than 0.8
    of that of a uniform grey, or above that of the worst tenth, or nobody knows it, or there is a warning. Green: none
    of these. Nothing here looks at the truth.

    Args:
        target: The imputed contrast.
        expected: Mean expected absolute error inside the brain, in [0, 1].
        typical: Median and 90th percentile of the same over the validation scans.
        uniform: Mean error of a uniform grey over the validation scans.
        findings: What else is known of the study.
    """
    warnings = [each for each in findings if each.severity == "warning"]
    name = DISPLAY_NAMES[target]
    level = 0
    if expected is None or typical is None or uniform is None:
        level, sentence = 1, f"How wrong this {name} may be is not known: the model is not calibrated for it"
    else:
        median, worst_tenth = typical
        sentence = f"Expected error {expected:.1%} of the intensity range (validation scans: median {median:.1%}"
        if expected > CLEARLY_WORSE * worst_tenth:
            level, sentence = 2, f"{sentence}, worst tenth above {worst_tenth:.1%}): far above what is usual"
        elif expected > worst_tenth:
            level, sentence = 1, f"{sentence}, worst tenth above {worst_tenth:.1%}): among the worst"
        else:
            sentence += "): as usual for this model"
        if expected > LITTLE_BETTER * uniform:
            level = max(level, 2 if expected >= uniform else 1)
            how = "no better than" if expected >= uniform else "hardly better than"
            sentence += f"; that is {how} a uniform grey ({uniform:.1%})"
    if warnings:
        level = max(level, 2 if len(warnings) >= MANY_WARNINGS else 1)
        sentence += f"; {_count(len(warnings), 'warning')} about the study"
    return Trust(LIGHTS[level], f"{sentence}.", expected)


def worst(lights: Iterable[Light]) -> Light:
    """The worst of some lights; green for none."""
    return LIGHTS[max((LIGHTS.index(light) for light in lights), default=0)]


def summary_sentence(inputs: Sequence[str], trusts: dict[str, Trust], findings: Sequence[Finding]) -> str:
    """One or two sentences about a whole study, for a person who reads nothing else."""
    made = " and ".join(DISPLAY_NAMES[name] for name in trusts)
    given = ", ".join(DISPLAY_NAMES[name] for name in inputs)
    light = worst(trust.light for trust in trusts.values())
    first = f"{made} imputed from {given}."
    warnings = [each.sentence for each in findings if each.severity == "warning"]
    if light == "green":
        return f"{first} The scans look like those that the model was trained on, and its expected error is as usual."
    reasons = warnings[:2] or [trust.sentence for trust in trusts.values() if trust.light == light]
    rest = f" ({len(warnings) - 2} more below)" if len(warnings) > 2 else ""
    word = "Use with care" if light == "amber" else "Do not rely on it"
    return f"{first} {word}: {'; '.join(reason.rstrip('.') for reason in reasons)}{rest}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
