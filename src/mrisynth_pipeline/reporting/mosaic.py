"""Slices of one subject on one figure: what a page shows on paper, and where no script runs.

Drawn by the radiological convention, as seen from the feet and facing the patient: the patient's right is on the left.
"""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mrisynth_pipeline.reporting.scans import HEAD, QUIET_INK, column_title, show
from mrisynth_pipeline.reporting.style import NIGHT_INK, PAGE_WIDTH, modality_label, new_figure, styled
from mrisynth_pipeline.reporting.subject_view import SubjectView
from mrisynth_pipeline.reporting.viewer_data import COLOUR_MAP, bounding_box, error_top

_LABELS = 0.95  # inches for the names of the rows
_GAP = 0.04
_AXIAL = (0.35, 0.5, 0.65)  # heights above the lower end of the brain, as shares

Plane = tuple[str, int, str, str]
"""Heading, axis of the cut in ``[z, y, x]``, letters at the left and right edge of the picture."""
_PLANES: tuple[Plane, ...] = (
    *(("Axial", 0, "R", "L") for _ in _AXIAL),
    ("Coronal", 1, "R", "L"),
    ("Sagittal", 2, "A", "P"),
)


def slice_mosaic(view: SubjectView) -> Figure:
    """A row per contrast, inputs first, below an imputed one its expected error and what was withheld; five cuts.

    Args:
        view: The subject.
    """
    box = bounding_box(view.mask)
    mask = view.mask[box]
    cuts = [*(round(share * (mask.shape[0] - 1)) for share in _AXIAL), mask.shape[1] // 2, mask.shape[2] // 2]
    imputed = {entry.contrast for entry in view.imputed}
    rows = []
    for name in view.contrasts():
        kind = "imputed" if name in imputed else "scanned"
        rows.append((f"{modality_label(name)}\n{kind}", view.volumes[name][box], False))
        if name in view.expected_error:
            rows.append((f"{modality_label(name)}\nexpected\nerror", view.expected_error[name][box], True))
        if name in view.truths:
            rows.append((f"{modality_label(name)}\nwithheld", view.truths[name][box], False))

    z_mm, y_mm, x_mm = np.multiply(mask.shape, view.spacing_mm[::-1])
    widths = [x_mm, x_mm, x_mm, x_mm, y_mm]
    tallest = max(y_mm, z_mm)
    scale = (PAGE_WIDTH - _LABELS - 0.1 - _GAP * (len(widths) - 1)) / sum(widths)  # inches per mm
    foot = 0.55 if view.expected_error else 0.1
    height = HEAD + len(rows) * (tallest * scale + _GAP) + foot
    with styled():
        figure = new_figure(height, dark=True)
        figure.text(0.02, 1 - 0.2 / height, view.subject, color=NIGHT_INK, va="center", fontweight="bold")
        convention = "Not for diagnostic use. Radiological convention: R is the patient's right"
        figure.text(0.98, 1 - 0.2 / height, convention, color=QUIET_INK, ha="right", va="center", fontsize=7)
        grid = figure.add_gridspec(
            len(rows),
            len(widths),
            width_ratios=widths,
            left=_LABELS / PAGE_WIDTH,
            right=1 - 0.1 / PAGE_WIDTH,
            top=1 - HEAD / height,
            bottom=foot / height,
            wspace=_GAP / (scale * float(np.mean(widths))),
            hspace=_GAP / (scale * tallest),
        )
        for row, (label, volume, is_error) in enumerate(rows):
            for column, ((title, axis, left, right), cut) in enumerate(zip(_PLANES, cuts, strict=True)):
                axes = figure.add_subplot(grid[row, column])
                _draw(axes, volume, axis, cut, view.spacing_mm, error_top(view) if is_error else None)
                if row == 0:
                    column_title(axes, title)
                    _mark(axes, left, right)
                if column == 0:
                    options = {"color": NIGHT_INK, "ha": "right", "va": "center", "fontsize": 8}
                    axes.text(-0.08, 0.5, label, transform=axes.transAxes, **options)
        if view.expected_error:
            _scale(figure, error_top(view), height)
    return figure


def radiological(volume: Float[np.ndarray, "z y x"], axis: int, cut: int) -> Float[np.ndarray, "v h"]:
    """One plane of a RAS+ volume with its first row at the bottom.

    Args:
        volume: Intensities.
        axis: 0 for an axial plane, 1 coronal, 2 sagittal.
        cut: Which.

    Returns:
        Rows grow to anterior (axial) or superior; columns to the patient's left, or to posterior (sagittal).
    """
    return np.take(volume, cut, axis=axis)[:, ::-1]


def _draw(axes: Axes, volume: np.ndarray, axis: int, cut: int, spacing: tuple[float, ...], top: float | None) -> None:
    """One plane in the right proportions: a scan in grey, or an expected error in colour."""
    vertical, horizontal = [spacing[::-1][other] for other in range(3) if other != axis]
    options = {"cmap": "gray", "vmax": 1} if top is None else {"cmap": COLOUR_MAP, "vmax": top}
    show(axes, radiological(volume, axis, cut), aspect=vertical / horizontal, interpolation="bilinear", **options)


def _mark(axes: Axes, left: str, right: str) -> None:
    """Sides of the patient, in the upper corners."""
    for x, side, align in ((0.03, left, "left"), (0.97, right, "right")):
        axes.text(x, 0.97, side, transform=axes.transAxes, color=NIGHT_INK, fontsize=8, ha=align, va="top")


def _scale(figure: Figure, top: float, height: float) -> None:
    """The colour bar of the expected errors, at the foot."""
    axes = figure.add_axes((_LABELS / PAGE_WIDTH, 0.3 / height, 0.35, 0.08 / height))
    scale = ScalarMappable(Normalize(0, 100 * top), COLOUR_MAP)
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", ticks=[0, 50 * top, 100 * top])
    bar.ax.tick_params(colors=NIGHT_INK, labelcolor=NIGHT_INK, labelsize=7, width=0.5, length=2)
    bar.ax.xaxis.set_major_formatter("{x:.3g} %")
    bar.outline.set_visible(False)
    where = (1.03, 0.5)
    what = "expected absolute error, in % of the intensity range"
    bar.ax.text(*where, what, transform=bar.ax.transAxes, color=NIGHT_INK, fontsize=7.5, va="center")
