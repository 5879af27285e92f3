"""The page of one imputed subject: how far to trust it, and its slices to look at."""

from collections.abc import Sequence

from mrisynth_pipeline.reporting.mosaic import slice_mosaic
from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.pictures import picture
from mrisynth_pipeline.reporting.style import modality_label
from mrisynth_pipeline.reporting.subject_view import SubjectView
from mrisynth_pipeline.reporting.table import ABSENT, number
from mrisynth_pipeline.reporting.viewer_data import viewer_data


def quality_page(view: SubjectView) -> str:
    """One self-contained HTML page that opens from disk, with a slice viewer; on paper, still slices.

    Args:
        view: What is shown.

    Returns:
        The HTML text; write it as UTF-8.
    """
    data = viewer_data(view)
    names = [entry.contrast for entry in view.imputed]
    caption = "Three axial cuts, one coronal, one sagittal; R is the patient's right (radiological convention)."
    return render_page(
        "quality_page.html",
        {"contrast": modality_label, "expected_error": expected_error_text, "millimetres": millimetres},
        styles=["quality_page.css"],
        scripts=["volume_planes.js", "slice_viewer.js"],
        view=view,
        imputed_names=in_words(names),
        uncalibrated=in_words([name for name in names if name not in view.expected_error]),
        data=data,
        stills=picture(slice_mosaic(view), caption),
        coarser=data["spacing"] != list(view.spacing_mm),
        shown_spacing=millimetres(data["spacing"]),
        model_spacing=millimetres(view.spacing_mm),
    )


def in_words(contrasts: Sequence[str]) -> str:
    """Their radiological names in a sentence: ``T1, T2 and FLAIR``; "" for none."""
    names = [modality_label(name) for name in contrasts]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def expected_error_text(value: float | None) -> str:
    """Expected absolute error of intensities in [0, 1], as a share of the range: ``3.4 %``."""
    return ABSENT if value is None else f"{number(100 * value, 1)} %"


def millimetres(lengths: Sequence[float]) -> str:
    """``1 × 1 × 2.5``, to a hundredth."""
    return " × ".join(f"{length:.2f}".rstrip("0").rstrip(".") for length in lengths)
