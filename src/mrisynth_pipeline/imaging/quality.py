"""How well one subject's preprocessing went: numbers for the index, words for a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from mrisynth_pipeline.imaging.registration import RigidAlignment

_MOTION_MM, _MOTION_DEG = 30.0, 25.0
_BRAIN_ML = (700.0, 2400.0)  # brain with its fluid, from infancy to the largest heads


def quality_columns(
    reference: str,
    foreground_ml: float,
    foreground_is_brain: bool,
    cut_mm: tuple[float, float, float],
    alignments: Mapping[str, RigidAlignment],
    labels_left_out: bool,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """One subject's quality columns, JSON-ready.

    Args:
        reference: The contrast the others were registered onto.
        foreground_ml: Volume of the mask in mL.
        foreground_is_brain: Whether the mask should be a brain, so that its volume can be judged.
        cut_mm: How much longer than the grid the foreground is, along (x, y, z).
        alignments: Contrast → what registration found.
        labels_left_out: A label map was there but lies on no contrast's voxels.
        seconds: Step → wall seconds.

    Returns:
        ``reference``, ``mask_ml``, ``cut_mm``, ``warnings`` ("" or sentences joined by "; "); per registered
        contrast ``information_before_*``, ``information_after_*`` (nats), ``translation_mm_*``,
        ``rotation_deg_*``; per step ``seconds_*``.
    """
    columns: dict[str, Any] = {
        "reference": reference,
        "mask_ml": round(foreground_ml, 1),
        "cut_mm": round(max(cut_mm), 1),
        "warnings": "; ".join(_warnings(foreground_ml, foreground_is_brain, cut_mm, alignments, labels_left_out)),
    }
    for name, alignment in alignments.items():
        columns[f"information_before_{name}"] = round(alignment.information_before, 4)
        columns[f"information_after_{name}"] = round(alignment.information_after, 4)
        columns[f"translation_mm_{name}"] = round(alignment.translation_mm, 2)
        columns[f"rotation_deg_{name}"] = round(alignment.rotation_deg, 2)
    return columns | {f"seconds_{step}": value for step, value in seconds.items()}


def _warnings(
    foreground_ml: float,
    foreground_is_brain: bool,
    cut_mm: tuple[float, float, float],
    alignments: Mapping[str, RigidAlignment],
    labels_left_out: bool,
) -> Iterator[str]:
    """What a person should look at."""
    for axis, cut in zip("xyz", cut_mm, strict=True):
        if cut > 0.5:
            yield f"the foreground is {cut:.0f} mm longer than preprocessing.grid along {axis}"
    if foreground_is_brain and not _BRAIN_ML[0] <= foreground_ml <= _BRAIN_ML[1]:
        yield f"a brain of {foreground_ml:.0f} mL is implausible: look at the mask"
    for name, alignment in alignments.items():
        if alignment.translation_mm > _MOTION_MM or alignment.rotation_deg > _MOTION_DEG:
            yield (
                f"{name} was moved by {alignment.translation_mm:.0f} mm and {alignment.rotation_deg:.0f}°, "
                "more than a head moves within a session: look at it"
            )
    if labels_left_out:
        yield "the label map lies on no contrast's voxels and was left out: resample it onto one of them"
