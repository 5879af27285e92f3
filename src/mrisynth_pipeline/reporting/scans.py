"""Scans in figures: how a slice is cropped, shown, labelled and outlined, the same in every grid."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mrisynth_pipeline.metrics.image import PSNR_CAP
from mrisynth_pipeline.reporting.style import HIGHLIGHT, NIGHT, NIGHT_INK

ORIENTATION = "neurological orientation: left is left"

HEAD = 0.58
"""Inches for the title and the headings of the columns."""
QUIET_INK = "#9aa4ab"
"""Secondary text on a dark figure."""
WIDEST, TITLE_WIDTH = 1.4, 4.6
"""Inches of a picture in a grid of few, and of a figure that needs room for its title."""

_MARGIN = 3  # voxels left around the head when a slice is cropped


def head_window(images: np.ndarray) -> tuple[slice, slice]:
    """The part of the slice that the head fills in any contrast, with a small margin."""
    inside = (np.asarray(images) > 0).any(axis=0)
    if not inside.any():
        return (slice(None), slice(None))
    window = []
    for axis, size in enumerate(inside.shape):
        covered = np.flatnonzero(inside.any(axis=1 - axis))
        window.append(slice(max(covered[0] - _MARGIN, 0), min(covered[-1] + _MARGIN + 1, size)))
    return window[0], window[1]


def show(axes: Axes, image: np.ndarray, **options: object) -> AxesImage:
    """An image in RAS+ index order: origin at the lower left."""
    axes.set_axis_off()
    return axes.imshow(np.asarray(image, dtype=float), origin="lower", vmin=0, **options)


def scan(axes: Axes, image: np.ndarray, outline: np.ndarray | None = None) -> Axes:
    """A scan in grey, with an optional outline."""
    show(axes, image, cmap="gray", vmax=1, interpolation="bilinear")
    if outline is not None:
        outline_of(axes, outline, HIGHLIGHT)
    return axes


def outline_of(axes: Axes, region: np.ndarray, colour: str) -> None:
    """The outline of a region, if there is one."""
    if region.any():
        axes.contour(region.astype(float), levels=[0.5], colors=[colour], linewidths=0.7)


def column_title(axes: Axes, text: str) -> None:
    """Heading of a column, over its first picture."""
    axes.set_title(text, color=NIGHT_INK, pad=3)


def corner_text(axes: Axes, text: str) -> None:
    """Small text in the lower left corner of a picture."""
    box = {"facecolor": NIGHT, "alpha": 0.6, "edgecolor": "none", "pad": 1.2}
    axes.text(0.03, 0.03, text, transform=axes.transAxes, color=NIGHT_INK, fontsize=7, bbox=box)


def mark_sides(axes: Axes) -> None:
    """L and R of the patient, in the upper corners."""
    for x, side, align in ((0.03, "L", "left"), (0.97, "R", "right")):
        axes.text(x, 0.97, side, transform=axes.transAxes, color=NIGHT_INK, fontsize=7, ha=align, va="top")


def psnr_text(imputed: np.ndarray, truth: np.ndarray) -> str:
    """PSNR of the whole slice, as in protocol ``slice``."""
    error = float(np.mean((imputed - np.asarray(truth, dtype=float)) ** 2))
    return f"{min(-10 * np.log10(error), PSNR_CAP) if error else PSNR_CAP:.1f} dB"


def heading(figure: Figure, height: float, subject: str, inputs: str) -> None:
    """Title that names the subject and what was given."""
    title_of(figure, height, f"{subject}given {inputs}")


def title_of(figure: Figure, height: float, title: str) -> None:
    """Title of a figure of scans, and its orientation."""
    figure.text(0.02, 1 - 0.2 / height, title, color=NIGHT_INK, va="center", fontweight="bold")
    figure.text(0.98, 1 - 0.2 / height, ORIENTATION, color=QUIET_INK, ha="right", va="center", fontsize=7)


def error_scale(figure: Figure, cell: Axes, picture: AxesImage, largest_error: float, what: str = "|error|") -> None:
    """The colour bar of the error maps, in the empty cell to their left."""
    cell.set_axis_off()
    axes = cell.inset_axes((0.3, 0.48, 0.6, 0.05))
    ticks = [0, largest_error / 2, largest_error]
    bar = figure.colorbar(picture, cax=axes, orientation="horizontal", extend="max", ticks=ticks)
    bar.ax.tick_params(colors=NIGHT_INK, labelcolor=NIGHT_INK, labelsize=7, width=0.5, length=2)
    bar.ax.xaxis.set_major_formatter("{x:.2g}")
    bar.outline.set_visible(False)
    bar.ax.set_title(what, color=NIGHT_INK, fontsize=7.5, pad=3, loc="left")
