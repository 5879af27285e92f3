"""Figures of scans on how sure a generative method is: every set of inputs × every contrast, doubt beside error.

Arrays are axial slices ``[y, x]`` of RAS+ volumes, as in :mod:`mrisynth_pipeline.reporting.images`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mrisynth_pipeline.reporting.scans import (
    HEAD,
    QUIET_INK,
    WIDEST,
    column_title,
    corner_text,
    error_scale,
    head_window,
    mark_sides,
    psnr_text,
    scan,
    show,
    title_of,
)
from mrisynth_pipeline.reporting.style import (
    HIGHLIGHT,
    NIGHT_INK,
    PAGE_WIDTH,
    modality_label,
    new_figure,
    styled,
    subset_label,
)

Images = Mapping[str, Float[np.ndarray, "modality y x"]]
_LABELS = 0.95  # inches for the names of the rows
_GAP = 0.03


def subset_grid(
    truth: Float[np.ndarray, "modality y x"], modalities: Sequence[str], means: Images, *, subject: str = ""
) -> Figure:
    """One axial slice: the truth above, below it a row per set of inputs and a column per contrast.

    What was imputed is framed and carries its PSNR; what was given is dimmed.

    Args:
        truth: Real contrasts in [0, 1], channels as ``modalities``.
        modalities: Internal names, in channel order.
        means: Inputs (``t1+t2``) → the mean of the draws, in the order of the rows.
        subject: Shown in the title.

    Raises:
        ValueError: There is nothing to show.
    """
    if not means:
        raise ValueError("nothing to show: there are no imputations")
    window = head_window(truth)
    height_of, width_of = truth[0][window].shape
    cell = min((PAGE_WIDTH - _LABELS) / len(modalities), 0.95)
    n_rows = 1 + len(means)
    height = HEAD + n_rows * (cell * height_of / width_of + _GAP) + 0.1
    with styled():
        figure = new_figure(height, width=max(_LABELS + len(modalities) * cell + 0.1, 4.6), dark=True)
        title_of(figure, height, subject)
        grid = _grid(figure, n_rows, len(modalities), height, cell, 0.1)
        for column, name in enumerate(modalities):
            axes = scan(figure.add_subplot(grid[0, column]), truth[column][window])
            column_title(axes, modality_label(name))
            if column == 0:
                mark_sides(axes)
                _row_name(axes, "Truth")
        for row, (inputs, images) in enumerate(means.items(), start=1):
            given = inputs.split("+")
            for column, name in enumerate(modalities):
                image = np.clip(images[column], 0, 1)
                axes = figure.add_subplot(grid[row, column])
                if name in given:
                    scan(axes, 0.4 * truth[column][window])
                    corner_text(axes, "given")
                else:
                    scan(axes, image[window])
                    corner_text(axes, psnr_text(image, truth[column]))
                    _frame(axes)
                if column == 0:
                    _row_name(axes, subset_label(inputs))
    return figure


def doubt_grid(
    truth: Float[np.ndarray, "modality y x"],
    modalities: Sequence[str],
    means: Images,
    deviations: Images,
    *,
    subject: str = "",
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice: for each set of inputs and missing contrast the absolute error beside the standard deviation.

    One colour scale for both and for all rows.

    Args:
        truth: Real contrasts in [0, 1], channels as ``modalities``.
        modalities: Internal names, in channel order.
        means: Inputs → the mean of the draws.
        deviations: Inputs → their standard deviation.
        subject: Shown in the title.
        largest_error: Value (of the unit range) at the bright end of the scale.

    Raises:
        ValueError: There is nothing to show.
    """
    if not means:
        raise ValueError("nothing to show: there are no imputations")
    window = head_window(truth)
    height_of, width_of = truth[0][window].shape
    n_columns = 2 * len(modalities)
    cell = min((PAGE_WIDTH - _LABELS) / n_columns, 0.95)
    height = HEAD + 0.16 + len(means) * (cell * height_of / width_of + _GAP) + 0.5
    with styled():
        figure = new_figure(height, width=max(_LABELS + n_columns * cell + 0.1, 4.6), dark=True)
        title_of(figure, height, subject)
        grid = _grid(figure, len(means), n_columns, height, cell, 0.5, HEAD + 0.16)
        for row, inputs in enumerate(means):
            given = inputs.split("+")
            for channel, name in enumerate(modalities):
                pair = [figure.add_subplot(grid[row, 2 * channel + side]) for side in range(2)]
                if row == 0:
                    column_title(pair[0], f"{modality_label(name)}\n|error|")
                    column_title(pair[1], "std. dev.")
                if channel == 0:
                    _row_name(pair[0], subset_label(inputs))
                if name in given:
                    for axes in pair:
                        axes.set_axis_off()
                        scan(axes, 0.25 * truth[channel][window])
                    corner_text(pair[0], "given")
                    continue
                error = np.abs(np.clip(means[inputs][channel], 0, 1) - truth[channel])
                for axes, image in zip(pair, (error, deviations[inputs][channel]), strict=True):
                    picture = show(axes, image[window], cmap="inferno", vmax=largest_error)
        space = figure.add_axes((0.0, 0.0, 0.3, 0.5 / height))
        error_scale(figure, space, picture, largest_error, "|error| and standard deviation")
    return figure


def latent_grid(pictures: Mapping[str, np.ndarray], *, subject: str = "") -> Figure:
    """The finest latent as colours, from every contrast alone, from all but one, and from all.

    Args:
        pictures: From :func:`mrisynth_pipeline.evaluation.latent.latent_pictures`: ``explained`` and inputs →
            red, green and blue [3, y, x].
        subject: Shown in the title.
    """
    images = {name: image for name, image in pictures.items() if name != "explained"}
    everything = max(images, key=lambda name: name.count("+"))
    most = everything.count("+")
    rows = [
        [name for name in images if "+" not in name],
        [name for name in images if "+" in name and name.count("+") < most],
    ]
    rows = [[*row] for row in rows if row]
    rows[0].append(everything)
    window = head_window(np.stack([image.sum(0) for image in images.values()]))
    height_of, width_of = next(iter(images.values()))[0][window].shape
    n_columns = max(len(row) for row in rows)
    cell = min(0.96 * PAGE_WIDTH / n_columns, WIDEST)
    height = HEAD + len(rows) * (cell * height_of / width_of + 0.22) + 0.2
    with styled():
        figure = new_figure(height, width=max(cell * n_columns / 0.96, 4.6), dark=True)
        title_of(figure, height, subject)
        layout = {"top": 1 - HEAD / height, "bottom": 0.25 / height, "wspace": 0.04, "hspace": 0.2}
        grid = figure.add_gridspec(len(rows), n_columns, left=0.02, right=0.98, **layout)
        for row, names in enumerate(rows):
            for column, name in enumerate(names):
                axes = figure.add_subplot(grid[row, column])
                axes.set_axis_off()
                axes.imshow(np.moveaxis(images[name], 0, -1)[window], origin="lower")
                short = "All contrasts" if name == everything else _without(name, everything)
                column_title(axes, short)
        shares = [f"{100 * float(share):.0f}" for share in pictures["explained"]]
        words = f"red, green, blue: components of {', '.join(shares)} % of the variance"
        figure.text(0.98, 0.1 / height, words, color=QUIET_INK, ha="right", va="center", fontsize=7)
        mark_sides(figure.axes[0])
    return figure


def _without(name: str, everything: str) -> str:
    """The contrast alone, or for many the one that is missing."""
    if "+" not in name:
        return modality_label(name)
    [missing] = set(everything.split("+")) - set(name.split("+"))
    return f"without {modality_label(missing)}"


def _grid(figure: Figure, rows: int, columns: int, height: float, cell: float, bottom: float, top: float = HEAD):
    """Cells of one size, to the right of the names of the rows."""
    width = figure.get_figwidth()
    layout = {"left": _LABELS / width, "right": (_LABELS + columns * cell) / width}
    return figure.add_gridspec(
        rows, columns, top=1 - top / height, bottom=bottom / height, wspace=0.04, hspace=0.04, **layout
    )


def _row_name(axes: Axes, text: str) -> None:
    """Inputs to the left of a row, each on a line of its own."""
    axes.text(-0.08, 0.5, text.replace(" + ", " +\n"), transform=axes.transAxes, color=NIGHT_INK, ha="right",
              va="center", fontsize=7.5, linespacing=1.1)  # fmt: skip


def _frame(axes: Axes) -> None:
    frame = {"transform": axes.transAxes, "fill": False, "edgecolor": HIGHLIGHT, "linewidth": 1.0}
    axes.add_patch(Rectangle((0, 0), 1, 1, **frame))
