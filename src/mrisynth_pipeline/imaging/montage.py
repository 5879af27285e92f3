"""A picture of how well the contrasts of each subject lie on each other, for a person to look at."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES, ULTRASOUND
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore

_PANEL_INCHES = 2.4
_EDGE_SHARE = 0.12  # the steepest eighth of the reference's brain is drawn as its edges
_EDGE_BLUR, _SPECKLE_BLUR = 0.7, 3.0  # voxels; speckle is all edges until it is averaged
_MASK_COLOUR = "#ffb000"
_EDGE_COLOUR = "#00c2ff"


def registration_montage(store: SubjectStore, subjects: Sequence[str], modalities: Sequence[str]) -> Figure:
    """One row per subject, one column per contrast: the middle axial slice.

    Over each slice lie the outline of the mask and the edges of the reference contrast. If registration
    went well, the edges follow the folds of every contrast. Seen from above with the front up and the
    subject's right on the right-hand side.

    Args:
        store: The subject files.
        subjects: Which subjects, top to bottom.
        modalities: Which contrasts, left to right.

    Returns:
        A figure that draws without a display and without pyplot's global state.

    Raises:
        InputError: A subject's file is missing or damaged.
    """
    rows, columns = max(len(subjects), 1), max(len(modalities), 1)
    figure = Figure(figsize=(_PANEL_INCHES * columns, _PANEL_INCHES * rows * 1.2 + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, subject in zip(axes, subjects, strict=False):
        _draw_subject(row, store.open(subject), modalities)
    figure.suptitle("Blue: edges of the reference.  Orange: outline of the mask.  Right is right.", fontsize=8)
    return figure


def _draw_subject(row: Sequence[Axes], subject: SubjectFile, modalities: Sequence[str]) -> None:
    """One subject's row."""
    about = subject.metadata
    mask = subject.mask()
    z = _middle(mask)
    channels = dict(zip(about["modalities"], subject.slice(z), strict=True))
    present = dict(zip(about["modalities"], about["present"], strict=True))
    blur = _SPECKLE_BLUR if about["reference"] == ULTRASOUND else _EDGE_BLUR
    edges = _edges(channels[about["reference"]], mask[z], blur)
    x_mm, y_mm = np.linalg.norm(np.asarray(about["grid_affine"])[:3, :2], axis=0)
    for axis, name in zip(row, modalities, strict=True):
        axis.set_axis_off()
        axis.set_title(_title(name, about), fontsize=7)
        if not present.get(name, False):
            axis.text(0.5, 0.5, "not scanned", ha="center", va="center", transform=axis.transAxes, fontsize=8)
            continue
        axis.imshow(channels[name], cmap="gray", vmin=0, vmax=1, origin="lower", aspect=y_mm / x_mm)
        if mask[z].any():
            axis.contour(mask[z], levels=[0.5], colors=_MASK_COLOUR, linewidths=0.8)
        if edges.any():
            axis.contour(edges, levels=[0.5], colors=_EDGE_COLOUR, linewidths=0.35)


def _title(name: str, about: dict) -> str:
    """Contrast, how far it was moved, what that gained, whether it is doubted; the reference's names the subject."""
    label = DISPLAY_NAMES.get(name, name)
    if name == about["reference"]:
        return f"{about['subject']}\n{label} (reference)"
    quality = about.get("quality", {})
    if f"translation_mm_{name}" not in quality:
        return label
    moved = f"{quality[f'translation_mm_{name}']:.1f} mm, {quality[f'rotation_deg_{name}']:.1f}°"
    doubted = any(warning.startswith(f"{name} ") for warning in quality.get("warnings", "").split("; "))
    before, after = (quality.get(f"information_{when}_{name}") for when in ("before", "after"))
    gain = "as its transform or header says" if after is None else f"information {before:.2f} → {after:.2f}"
    return f"{label}{' – LOOK AT IT' if doubted else ''}\n{moved}, {gain}"


def _middle(mask: NDArray[np.bool_]) -> int:
    """The slice halfway up the foreground, a little above the middle of brain and stem."""
    rows = np.flatnonzero(mask.any(axis=(1, 2)))
    return int(rows[round(0.55 * (len(rows) - 1))]) if rows.size else mask.shape[0] // 2


def _edges(image: NDArray[np.float32], mask: NDArray[np.bool_], blur: float) -> NDArray[np.float32]:
    """1 where the image is steepest inside the mask, 0 elsewhere ``[y, x]``."""
    steepness = ndimage.gaussian_gradient_magnitude(image, blur)
    inside = ndimage.binary_erosion(mask, iterations=round(2 * blur) + 1)  # the mask's own edge is drawn already
    if not inside.any():
        return np.zeros_like(image)
    threshold = np.quantile(steepness[inside], 1 - _EDGE_SHARE)
    return ((steepness > threshold) & inside).astype(np.float32)
