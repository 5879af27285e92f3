"""How well one subject's preprocessing went: numbers for the index, words for a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from mrisynth_pipeline.imaging.parameters import RegistrationParameters
from mrisynth_pipeline.imaging.registration.doubts import Alignment, doubts

_BRAIN_ML = (700.0, 2400.0)  # brain with its fluid, from infancy to the largest heads
_LEAST_MNI_OVERLAP = 0.85


def quality_columns(
    reference: str,
    foreground_ml: float,
    foreground_is_brain: bool,
    cut_mm: tuple[float, float, float],
    alignments: Mapping[str, Alignment],
    registration: RegistrationParameters,
    labels_left_out: bool,
    seconds: Mapping[str, float],
    mni_overlap: float | None = None,
) -> dict[str, Any]:
    """One subject's quality columns, JSON-ready.

    Args:
        reference: The contrast the others were registered onto.
        foreground_ml: Volume of the mask in mL.
        foreground_is_brain: Whether the mask should be a brain, so that its volume can be judged.
        cut_mm: How much longer than the grid the foreground is, along (x, y, z).
        alignments: Contrast → what registration found.
        registration: What about it is doubted.
        labels_left_out: A label map was there but lies on no contrast's voxels.
        seconds: Step → wall seconds.
        mni_overlap: Dice of the brain with the template's; ``None`` in native space.

    Returns:
        ``reference``, ``mask_ml``, ``cut_mm``, ``warnings`` ("" or sentences joined by "; "); per registered
        contrast ``information_before_*``, ``information_after_*``, ``information_mirrored_*`` (nats),
        ``overlap_*``, ``tries_*``, ``translation_mm_*``, ``rotation_deg_*`` (what they are:
        :class:`~mrisynth_pipeline.imaging.registration.doubts.Alignment`); ``overlap_mni`` in MNI space; per step
        ``seconds_*``.
    """
    columns: dict[str, Any] = {
        "reference": reference,
        "mask_ml": round(foreground_ml, 1),
        "cut_mm": round(max(cut_mm), 1),
    }
    warnings = list(_warnings(foreground_ml, foreground_is_brain, cut_mm, labels_left_out, mni_overlap))
    warnings += [f"{name} {clause}" for name, found in alignments.items() for clause in doubts(found, registration)]
    columns["warnings"] = "; ".join(warnings)
    if mni_overlap is not None:
        columns["overlap_mni"] = round(mni_overlap, 3)
    for name, alignment in alignments.items():
        for when in ("before", "after", "mirrored"):
            information = getattr(alignment, f"information_{when}")
            if information is not None:
                columns[f"information_{when}_{name}"] = round(information, 4)
        columns[f"overlap_{name}"] = round(alignment.overlap, 3)
        columns[f"tries_{name}"] = alignment.tries
        columns[f"translation_mm_{name}"] = round(alignment.translation_mm, 2)
        columns[f"rotation_deg_{name}"] = round(alignment.rotation_deg, 2)
    return columns | {f"seconds_{step}": value for step, value in seconds.items()}


def _warnings(
    foreground_ml: float,
    foreground_is_brain: bool,
    cut_mm: tuple[float, float, float],
    labels_left_out: bool,
    mni_overlap: float | None,
) -> Iterator[str]:
    """What a person should look at."""
    for axis, cut in zip("xyz", cut_mm, strict=True):
        if cut > 0.5:
            yield f"the foreground is {cut:.0f} mm longer than preprocessing.grid along {axis}"
    if foreground_is_brain and not _BRAIN_ML[0] <= foreground_ml <= _BRAIN_ML[1]:
        yield f"a brain of {foreground_ml:.0f} mL is implausible: look at the mask"
    if mni_overlap is not None and mni_overlap < _LEAST_MNI_OVERLAP:
        yield f"the brain and MNI's agree by {mni_overlap:.0%} only (Dice): look at the mask and at where it was put"
    if labels_left_out:
        yield "the label map lies on no contrast's voxels and was left out: resample it onto one of them"
