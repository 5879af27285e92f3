"""A model card for people: the README of a package."""

from collections.abc import Iterator, Mapping
from typing import Any

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.models.packaging import CARD, WEIGHTS

NOT_FOR_DIAGNOSIS = "For research. Not for diagnostic use."
UNKNOWN = "not recorded"
LICENCE = (
    "The software is licensed under Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0). The weights were made "
    "from the training data named in the card: the terms of that data apply to what is done with them."
)


def contrasts_of(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The contrasts of a model in channel order."""
    return tuple(card.get("modalities") or card["construction"].get("modalities", ()))


def title_of(card: Mapping[str, Any]) -> str:
    """Method and cohort, as a file name: ``codebrain-phantom-brats``."""
    cohort = card.get("training_data", {}).get("cohort", "")
    return "-".join(filter(None, (card["network"], cohort))).replace("/", "-").replace(" ", "-")


def training_text(card: Mapping[str, Any]) -> str:
    """Whom the model was trained on, in a phrase."""
    data = card.get("training_data")
    if not data:
        return UNKNOWN
    kind = "synthetic (simulated) subjects" if data.get("synthetic") else "subjects"
    return f"{data.get('subjects', '?')} {kind} of {data.get('cohort', 'a cohort without name')}"


def grid_text(card: Mapping[str, Any]) -> str:
    """Size and spacing of the voxel grid."""
    grid = card.get("grid")
    if not grid:
        return UNKNOWN
    size, spacing = ("×".join(f"{value:g}" for value in grid[key]) for key in ("size", "spacing_mm"))
    return f"{size} voxels (x, y, z) of {spacing} mm"


def readme(card: Mapping[str, Any], name: str) -> str:
    """The card as Markdown.

    Args:
        card: Of a model folder.
        name: Of the package's folder or archive.

    Returns:
        What the model is for, what it expects, what it was trained on, how good it was, how it is used.
    """
    return "\n\n".join(_paragraphs(card, name)) + "\n"


def _paragraphs(card: Mapping[str, Any], name: str) -> Iterator[str]:
    contrasts = contrasts_of(card)
    shown = ", ".join(f"`{contrast}` ({DISPLAY_NAMES.get(contrast, contrast)})" for contrast in contrasts)
    yield f"# {title_of(card)}"
    yield f"**{NOT_FOR_DIAGNOSIS}** An imputed contrast is an estimate: it can lack a lesion, or show one that is not."
    yield f"Imputes the contrasts that a brain MRI study lacks from those it has: {shown}."
    yield "## Use"
    yield f"```console\nmrisynth impute SCANS --output OUT --model {name}\n```"
    yield (
        "```python\n"
        "from mrisynth_pipeline import load_model\n"
        f'made = load_model("{name}").impute({{"{contrasts[0]}": "{contrasts[0]}.nii.gz"}})\n'
        'made.save("OUT")  # made.images, made.expected_errors, made.light, made.summary\n'
        "```"
    )
    yield "## Facts"
    yield "\n".join(f"- **{key}**: {value}" for key, value in _facts(card))
    if validation := list(_numbers(card.get("validation", {}))):
        yield "## Validation"
        yield "On the validation subjects, at the end of training:"
        yield "\n".join(
            ["| measure | value |", "|---|---|", *(f"| {key} | {value:.4g} |" for key, value in validation)]
        )
    yield "## Licence"
    yield LICENCE
    yield f"Files: `{WEIGHTS}` (weights), `{CARD}` (all of the above, for programs). Neither holds code."


def _facts(card: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    intensity = card.get("intensity", {})
    yield "Intended use", card.get("intended_use", NOT_FOR_DIAGNOSIS)
    yield "Method", card["network"]
    yield "Grid", grid_text(card)
    yield "Axes", card.get("axes", UNKNOWN)
    yield "Intensity", f"{intensity.get('method', UNKNOWN)}: {intensity.get('mapping', 'to [0, 1]')}"
    yield "Trained on", training_text(card)
    yield "Weights", f"{card['parameters']:,}" if "parameters" in card else UNKNOWN
    yield "Preprocessing", "in the card, applied by `mrisynth impute`" if "preprocessing" in card else UNKNOWN
    yield "Doubt", "calibrated: expected absolute error" if "doubt" in card else "not calibrated"
    yield "Familiarity", "knows what its training scans look like" if "familiarity" in card else UNKNOWN
    yield "Made", f"{card.get('date', UNKNOWN)}, {card.get('software', UNKNOWN)}"


def _numbers(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key} ")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}", value
