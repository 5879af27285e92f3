"""Figures that show scans: imputations beside the truth, and tumour outlines over them.

Arrays are axial slices ``[y, x]`` of RAS+ volumes, so with the origin at the lower left the patient's left is
on the left: neurological orientation, which every figure states.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle

from mrisynth_pipeline.cohorts.modalities import TUMOUR_LABELS
from mrisynth_pipeline.metrics.image import PSNR_CAP
from mrisynth_pipeline.reporting.style import (
    HIGHLIGHT,
    NIGHT,
    NIGHT_INK,
    PAGE_WIDTH,
    TUMOUR_COLOURS,
    method_label,
    modality_label,
    new_figure,
    styled,
    subset_label,
)

ORIENTATION = "neurological orientation: left is left"

_MARGIN = 3  # voxels left around the head when a slice is cropped
_HEAD = 0.58  # inches for the title and the headings of the columns
_QUIET_INK = "#9aa4ab"
_WIDEST, _TITLE_WIDTH = 1.4, 4.6  # inches of a picture in a grid of few, and of a figure that needs room for its title


def imputation_grid(
    truth: Float[np.ndarray, "modality y x"],
    modalities: Sequence[str],
    inputs: Sequence[str],
    imputations: Mapping[str, Float[np.ndarray, "modality y x"]],
    *,
    subject: str = "",
    segmentation: Integer[np.ndarray, "y x"] | None = None,
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice: the inputs, and for each missing contrast the truth, every imputation and its error.

    Args:
        truth: Real contrasts in [0, 1], channels as ``modalities``.
        modalities: Internal names, in channel order.
        inputs: The contrasts that the methods were given.
        imputations: Method → imputed contrasts; channels of ``inputs`` are not looked at.
        subject: Shown in the title.
        segmentation: Internal tumour labels; the outline of the whole tumour is then drawn.
        largest_error: Absolute error (of the unit range) at the bright end of the one colour scale.

    Raises:
        ValueError: No contrast is missing, or there is no imputation to show.
    """
    targets = [name for name in modalities if name not in inputs]
    if not targets or not imputations:
        raise ValueError(f"nothing to show: {len(targets)} missing contrasts, {len(imputations)} methods")
    window = _head_window(truth)
    outline = None if segmentation is None or not (segmentation > 0).any() else segmentation[window] > 0
    pictures = {name: channel[window] for name, channel in zip(modalities, truth, strict=True)}
    aspect = pictures[targets[0]].shape[0] / pictures[targets[0]].shape[1]

    n_columns, n_rows = 2 + len(imputations), 2 * len(targets)
    cell = 0.96 * PAGE_WIDTH / n_columns
    height = _HEAD + n_rows * (cell * aspect + 0.05) + 0.15
    with styled():
        figure = new_figure(height, dark=True)
        _head(figure, height, f"{subject}  " if subject else "", subset_label("+".join(inputs)))
        layout = {"top": 1 - _HEAD / height, "bottom": 0.15 / height, "wspace": 0.04, "hspace": 0.04}
        grid = figure.add_gridspec(n_rows, n_columns, left=0.02, right=0.98, **layout)

        stack = grid[:, 0].subgridspec(max(len(inputs), n_rows), 1, hspace=0.04)
        for row, name in enumerate(inputs):
            axes = _scan(figure.add_subplot(stack[row, 0]), pictures[name])
            axes.set_anchor("NW")
            _corner(axes, modality_label(name))
            if row == 0:
                _column_title(axes, "Input" if len(inputs) == 1 else "Inputs")
                _mark_sides(axes)

        for number, target in enumerate(targets):
            axes = _scan(figure.add_subplot(grid[2 * number, 1]), pictures[target], outline)
            _corner(axes, modality_label(target))
            if number == 0:
                _column_title(axes, "Truth")
            for column, (method, images) in enumerate(imputations.items(), start=2):
                imputed = np.clip(images[list(modalities).index(target)], 0, 1)
                axes = _scan(figure.add_subplot(grid[2 * number, column]), imputed[window])
                _corner(axes, _psnr_text(imputed, truth[list(modalities).index(target)]))
                if number == 0:
                    _column_title(axes, method_label(method))
                error = np.abs(imputed[window] - pictures[target])
                axes = figure.add_subplot(grid[2 * number + 1, column])
                picture = _show(axes, error, cmap="inferno", vmax=largest_error)
            _error_scale(figure, figure.add_subplot(grid[2 * number + 1, 1]), picture, largest_error)
    return figure


def misaligned_examples(
    inputs: Mapping[str, Float[np.ndarray, "y x"]],
    displaced: Mapping[str, Float[np.ndarray, "y x"]],
    truth: Float[np.ndarray, "y x"],
    target: str,
    imputations: Mapping[str, tuple[Float[np.ndarray, "y x"], Float[np.ndarray, "y x"]]],
    *,
    subject: str = "",
    motion: str = "",
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice, aligned in the upper half and with one input displaced in the lower.

    In each half: the inputs, the truth, and for every method what it made of them with its error below. The outline
    of the head as it should lie is drawn over the displaced input.

    Args:
        inputs: Contrast → slice in [0, 1], as prepared.
        displaced: The same contrasts, of which one was moved.
        truth: The contrast that is missing.
        target: Its name.
        imputations: Method → what it made of the aligned and of the displaced inputs.
        subject: Shown in the title.
        motion: How the input was moved, in words (``shifted by 4 mm``); shown in the title.
        largest_error: Absolute error (of the unit range) at the bright end of the one colour scale.

    Raises:
        ValueError: There is no imputation to show, or no input was moved.
    """
    moved = [name for name in inputs if not np.array_equal(inputs[name], displaced[name])]
    if not imputations or not moved:
        raise ValueError(f"nothing to show: {len(imputations)} methods, {len(moved)} inputs that were moved")
    window = _head_window(np.stack([truth, *inputs.values(), *displaced.values()]))
    head = np.any([image[window] > 0 for image in inputs.values()], axis=0)
    aspect = head.shape[0] / head.shape[1]
    n_columns = 2 + len(imputations)
    cell = 0.96 * PAGE_WIDTH / n_columns
    gap = 0.2
    height = _HEAD + 4 * (cell * aspect + 0.05) + gap + 0.15
    with styled():
        figure = new_figure(height, dark=True)
        title = f"{modality_label(moved[0])} {motion}".strip()
        _head(figure, height, f"{subject}  {title}, " if subject else f"{title}, ", subset_label("+".join(inputs)))
        outer = figure.add_gridspec(2, 1, left=0.02, right=0.98, top=1 - _HEAD / height, bottom=0.15 / height,
                                    hspace=2 * gap / (height - _HEAD - 0.15 - gap))  # fmt: skip
        for half, given in enumerate((inputs, displaced)):
            grid = outer[half].subgridspec(2, n_columns, wspace=0.04, hspace=0.04)
            stack = grid[:, 0].subgridspec(max(len(given), 2), 1, hspace=0.04)
            for row, (name, image) in enumerate(sorted(given.items(), key=lambda item: item[0] not in moved)):
                is_moved = half == 1 and name in moved
                axes = _scan(figure.add_subplot(stack[row, 0]), image[window], head if is_moved else None)
                axes.set_anchor("NW")
                _corner(axes, f"{modality_label(name)} moved" if is_moved else modality_label(name))
                if row == 0:
                    _column_title(axes, "Displaced" if half else "Aligned")
                    _mark_sides(axes)
            axes = _scan(figure.add_subplot(grid[0, 1]), truth[window])
            _corner(axes, modality_label(target))
            if half == 0:
                _column_title(axes, "Truth")
            for column, (method, both) in enumerate(imputations.items(), start=2):
                imputed = np.clip(both[half], 0, 1)
                axes = _scan(figure.add_subplot(grid[0, column]), imputed[window])
                _corner(axes, _psnr_text(imputed, truth))
                if half == 0:
                    _column_title(axes, method_label(method))
                error = np.abs(imputed - truth)[window]
                picture = _show(figure.add_subplot(grid[1, column]), error, cmap="inferno", vmax=largest_error)
            _error_scale(figure, figure.add_subplot(grid[1, 1]), picture, largest_error)
    return figure


def segmentation_grid(
    image: Float[np.ndarray, "y x"],
    label_maps: Mapping[str, Integer[np.ndarray, "y x"]],
    *,
    title: str = "",
    backgrounds: Mapping[str, Float[np.ndarray, "y x"]] | None = None,
) -> Figure:
    """Tumour label maps over one axial slice, side by side.

    Args:
        image: Slice in [0, 1] under every map that has no background of its own; shown alone at first.
        label_maps: Heading → internal labels, e.g. ``{"Rater": …, "real": …, "zero": …, "codebrain": …}``.
        title: Heading of the figure.
        backgrounds: Heading → slice in [0, 1] to show under that map instead (e.g. the imputed contrast).
    """
    backgrounds = dict(backgrounds or {})
    window = _head_window(image[None])
    aspect = image[window].shape[0] / image[window].shape[1]
    n_pictures = 1 + len(label_maps)
    n_rows = -(-n_pictures // 4)
    n_columns = -(-n_pictures // n_rows)
    cell = PAGE_WIDTH * 0.96 / n_columns
    height = _HEAD + n_rows * (cell * aspect + 0.22) + 0.3
    colours = ListedColormap(["#00000000", *(to_rgba(TUMOUR_COLOURS[label], 0.55) for label in (1, 2, 3))])
    with styled():
        figure = new_figure(height, dark=True)
        figure.text(0.02, 1 - 0.2 / height, title, color=NIGHT_INK, va="center", fontweight="bold")
        layout = {"top": 1 - _HEAD / height, "bottom": 0.42 / height, "wspace": 0.04, "hspace": 0.12}
        grid = figure.add_gridspec(n_rows, n_columns, left=0.02, right=0.98, **layout)
        for position, (name, labels) in enumerate([("Image", None), *label_maps.items()]):
            axes = figure.add_subplot(grid[position // n_columns, position % n_columns])
            _scan(axes, backgrounds.get(name, image)[window])
            _column_title(axes, method_label(name))
            if labels is None:
                _mark_sides(axes)
                continue
            cut = np.asarray(labels)[window]
            _show(axes, cut, cmap=colours, vmax=3, interpolation="nearest")
            for label, colour in TUMOUR_COLOURS.items():
                _outline(axes, cut == label, colour)
        patches = [Patch(color=TUMOUR_COLOURS[label], label=name) for label, name in TUMOUR_LABELS.items()]
        figure.legend(handles=patches, loc="lower left", ncols=3, labelcolor=NIGHT_INK, borderaxespad=0.6)
        figure.text(0.98, 0.16 / height, ORIENTATION, color=_QUIET_INK, ha="right", va="center", fontsize=7)
    return figure


def reconstruction_grid(
    originals: Float[np.ndarray, "modality y x"],
    modalities: Sequence[str],
    made: Mapping[str, Float[np.ndarray, "modality y x"]],
    *,
    subject: str = "",
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice as it is and as autoencoders give it back: a row per modality, reconstruction beside its error.

    Args:
        originals: Real slices in [0, 1], channels as ``modalities``.
        modalities: Internal names.
        made: Method → what it made of them.
        subject: Shown in the title.
        largest_error: Absolute error (of the unit range) at the bright end of the one colour scale.

    Raises:
        ValueError: There is nothing to show.
    """
    if not made or not len(modalities):
        raise ValueError(f"nothing to show: {len(modalities)} modalities, {len(made)} autoencoders")
    window = _head_window(originals)
    pictures = [image[window] for image in originals]
    n_columns = 1 + 2 * len(made)
    cell = min(0.96 * PAGE_WIDTH / n_columns, _WIDEST)
    height = _HEAD + len(pictures) * (cell * pictures[0].shape[0] / pictures[0].shape[1] + 0.02) + 0.5
    with styled():
        figure = new_figure(height, width=max(cell * n_columns / 0.96, _TITLE_WIDTH), dark=True)
        _title(figure, height, subject)
        layout = {"top": 1 - _HEAD / height, "bottom": 0.5 / height, "wspace": 0.04, "hspace": 0.04}
        grid = figure.add_gridspec(len(pictures), n_columns, left=0.02, right=0.98, **layout)
        for row, name in enumerate(modalities):
            axes = _scan(figure.add_subplot(grid[row, 0]), pictures[row])
            _corner(axes, modality_label(name))
            if row == 0:
                _column_title(axes, "Original")
                _mark_sides(axes)
            for number, (method, images) in enumerate(made.items()):
                image = np.clip(images[row], 0, 1)
                axes = _scan(figure.add_subplot(grid[row, 1 + 2 * number]), image[window])
                _corner(axes, _psnr_text(image, originals[row]))
                if row == 0:
                    _column_title(axes, method_label(method))
                axes = figure.add_subplot(grid[row, 2 + 2 * number])
                picture = _show(axes, np.abs(image[window] - pictures[row]), cmap="inferno", vmax=largest_error)
        _error_scale(figure, figure.add_axes((0, 0, 0.96 / n_columns, 0.5 / height)), picture, largest_error)
    return figure


def swap_grid(
    originals: Float[np.ndarray, "modality y x"],
    modalities: Sequence[str],
    swapped: Float[np.ndarray, "anatomy contrast y x"],
    *,
    subject: str = "",
) -> Figure:
    """One axial slice with anatomy and contrast exchanged: row = anatomy from, column = contrast to.

    The first row and column show the originals. Pictures carry the PSNR of their slice against the original of their
    contrast; the diagonal, outlined, is the reconstruction.

    Args:
        originals: Real slices in [0, 1], channels as ``modalities``.
        modalities: Internal names.
        swapped: What the network made, rows and columns as ``modalities``.
        subject: Shown in the title.
    """
    window = _head_window(originals)
    n = 1 + len(modalities)
    cell = min(0.94 * PAGE_WIDTH / n, _WIDEST)
    aspect = originals[0][window].shape[0] / originals[0][window].shape[1]
    height = 0.7 * _HEAD + n * (cell * aspect + 0.02) + 0.1
    with styled():
        figure = new_figure(height, width=max(cell * n / 0.94, _TITLE_WIDTH), dark=True)
        _title(figure, height, subject)
        layout = {"top": 1 - 0.7 * _HEAD / height, "bottom": 0.1 / height, "wspace": 0.04, "hspace": 0.04}
        grid = figure.add_gridspec(n, n, left=0.04, right=0.98, **layout)
        corner = figure.add_subplot(grid[0, 0])
        corner.set_axis_off()
        for x, y, text in ((0.95, 0.8, "contrast to →"), (0.95, 0.1, "anatomy from ↓")):
            corner.text(x, y, text, transform=corner.transAxes, color=_QUIET_INK, ha="right", fontsize=7.5)
        for number, name in enumerate(modalities):
            for place in (grid[0, 1 + number], grid[1 + number, 0]):
                axes = _scan(figure.add_subplot(place), originals[number][window])
                _corner(axes, f"{modality_label(name)} original")
            for column, contrast in enumerate(originals):
                image = np.clip(swapped[number, column], 0, 1)
                axes = _scan(figure.add_subplot(grid[1 + number, 1 + column]), image[window])
                _corner(axes, _psnr_text(image, contrast))
                if number == column:
                    frame = {"transform": axes.transAxes, "fill": False, "edgecolor": HIGHLIGHT, "linewidth": 1.2}
                    axes.add_patch(Rectangle((0, 0), 1, 1, **frame))
        _mark_sides(figure.axes[1])
    return figure


def _head_window(images: np.ndarray) -> tuple[slice, slice]:
    """The part of the slice that the head fills in any contrast, with a small margin."""
    inside = (np.asarray(images) > 0).any(axis=0)
    if not inside.any():
        return (slice(None), slice(None))
    window = []
    for axis, size in enumerate(inside.shape):
        covered = np.flatnonzero(inside.any(axis=1 - axis))
        window.append(slice(max(covered[0] - _MARGIN, 0), min(covered[-1] + _MARGIN + 1, size)))
    return window[0], window[1]


def _show(axes: Axes, image: np.ndarray, **options: object) -> AxesImage:
    """An image in RAS+ index order: origin at the lower left."""
    axes.set_axis_off()
    return axes.imshow(np.asarray(image, dtype=float), origin="lower", vmin=0, **options)


def _scan(axes: Axes, image: np.ndarray, outline: np.ndarray | None = None) -> Axes:
    """A scan in grey, with an optional outline."""
    _show(axes, image, cmap="gray", vmax=1, interpolation="bilinear")
    if outline is not None:
        _outline(axes, outline, HIGHLIGHT)
    return axes


def _outline(axes: Axes, region: np.ndarray, colour: str) -> None:
    if region.any():
        axes.contour(region.astype(float), levels=[0.5], colors=[colour], linewidths=0.7)


def _column_title(axes: Axes, text: str) -> None:
    axes.set_title(text, color=NIGHT_INK, pad=3)


def _corner(axes: Axes, text: str) -> None:
    """Small text in the lower left corner of a picture."""
    box = {"facecolor": NIGHT, "alpha": 0.6, "edgecolor": "none", "pad": 1.2}
    axes.text(0.03, 0.03, text, transform=axes.transAxes, color=NIGHT_INK, fontsize=7, bbox=box)


def _mark_sides(axes: Axes) -> None:
    """L and R of the patient, in the upper corners."""
    for x, side, align in ((0.03, "L", "left"), (0.97, "R", "right")):
        axes.text(x, 0.97, side, transform=axes.transAxes, color=NIGHT_INK, fontsize=7, ha=align, va="top")


def _psnr_text(imputed: np.ndarray, truth: np.ndarray) -> str:
    """PSNR of the whole slice, as in protocol ``slice``."""
    error = float(np.mean((imputed - np.asarray(truth, dtype=float)) ** 2))
    return f"{min(-10 * np.log10(error), PSNR_CAP) if error else PSNR_CAP:.1f} dB"


def _head(figure: Figure, height: float, subject: str, inputs: str) -> None:
    _title(figure, height, f"{subject}given {inputs}")


def _title(figure: Figure, height: float, title: str) -> None:
    figure.text(0.02, 1 - 0.2 / height, title, color=NIGHT_INK, va="center", fontweight="bold")
    figure.text(0.98, 1 - 0.2 / height, ORIENTATION, color=_QUIET_INK, ha="right", va="center", fontsize=7)


def _error_scale(figure: Figure, cell: Axes, picture: AxesImage, largest_error: float) -> None:
    """The colour bar of the error maps, in the empty cell to their left."""
    cell.set_axis_off()
    axes = cell.inset_axes((0.3, 0.48, 0.6, 0.05))
    ticks = [0, largest_error / 2, largest_error]
    bar = figure.colorbar(picture, cax=axes, orientation="horizontal", extend="max", ticks=ticks)
    bar.ax.tick_params(colors=NIGHT_INK, labelcolor=NIGHT_INK, labelsize=7, width=0.5, length=2)
    bar.ax.xaxis.set_major_formatter("{x:.2g}")
    bar.outline.set_visible(False)
    bar.ax.set_title("|error|", color=NIGHT_INK, fontsize=7.5, pad=3, loc="left")
