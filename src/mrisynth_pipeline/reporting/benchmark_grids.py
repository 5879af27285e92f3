"""One missing contrast of one subject as every method makes it: the same slice, window and colour scale for all."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.figure import Figure

from mrisynth_pipeline.reporting.scans import (
    corner_text,
    error_scale,
    head_window,
    heading,
    mark_sides,
    outline_of,
    psnr_text,
    scan,
    show,
)
from mrisynth_pipeline.reporting.style import HIGHLIGHT, PAGE_WIDTH, method_label, modality_label, new_figure, styled

_METHODS_PER_ROW = 4
_HEAD = 0.38  # inches of the title
_GAP = 0.08  # inches between two rows of methods


def method_grid(
    truth: Float[np.ndarray, "y x"],
    inputs: Mapping[str, Float[np.ndarray, "y x"]],
    imputations: Mapping[str, Float[np.ndarray, "y x"]],
    target: str,
    *,
    subject: str = "",
    segmentation: Integer[np.ndarray, "y x"] | None = None,
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice: the truth and its inputs on the left, every method's imputation with its error beneath.

    Args:
        truth: Real contrast in [0, 1].
        inputs: Contrast → the slices that the methods were given.
        imputations: Method → imputed slice.
        target: The contrast.
        subject: Shown in the title.
        segmentation: Internal tumour labels; the outline of the whole tumour is then drawn over the truth.
        largest_error: Absolute error (of the unit range) at the bright end of the one colour scale.

    Raises:
        ValueError: There is nothing to show.
    """
    if not imputations:
        raise ValueError("nothing to show: no method made anything")
    window = head_window(np.stack([truth, *inputs.values()]))
    real = truth[window]
    names = list(imputations)
    blocks = [names[start : start + _METHODS_PER_ROW] for start in range(0, len(names), _METHODS_PER_ROW)]
    n_columns = 1 + max(len(block) for block in blocks)
    cell = 0.96 * PAGE_WIDTH / (1 + _METHODS_PER_ROW)
    tall = cell * real.shape[0] / real.shape[1]
    width = max(PAGE_WIDTH * (n_columns / (1 + _METHODS_PER_ROW)), 4.6)
    height = _HEAD + len(blocks) * (2 * tall + 0.04) + (len(blocks) - 1) * _GAP + 0.1
    with styled():
        figure = new_figure(height, width=width, dark=True)
        heading(figure, height, f"{subject}  {modality_label(target)} " if subject else "", _given(inputs))
        top, bottom = 1 - _HEAD / height, 0.1 / height
        grid = figure.add_gridspec(
            len(blocks), 1, left=0.02, right=0.02 + n_columns * cell / width, top=top, bottom=bottom,
            hspace=_GAP / (2 * tall),
        )  # fmt: skip
        for number, block in enumerate(blocks):
            rows = grid[number].subgridspec(2, n_columns, wspace=0.04, hspace=0.03)
            for column, name in enumerate(block, start=1):
                axes = scan(figure.add_subplot(rows[0, column]), np.clip(imputations[name], 0, 1)[window])
                corner_text(axes, f"{method_label(name)}\n{psnr_text(np.clip(imputations[name], 0, 1), truth)}")
                error = np.abs(np.clip(imputations[name], 0, 1) - truth)[window]
                picture = show(figure.add_subplot(rows[1, column]), error, cmap="inferno", vmax=largest_error)
            if number == 0:
                axes = scan(figure.add_subplot(rows[0, 0]), real)
                if segmentation is not None:
                    outline_of(axes, segmentation[window] > 0, HIGHLIGHT)
                corner_text(axes, f"{modality_label(target)}, real")
                mark_sides(axes)
                error_scale(figure, figure.add_subplot(rows[1, 0]), picture, largest_error)
            elif number == 1:
                _show_inputs(figure, rows, inputs, window)
    return figure


def _given(inputs: Mapping[str, object]) -> str:
    return " + ".join(modality_label(name) for name in inputs)


def _show_inputs(figure: Figure, rows: object, inputs: Mapping[str, np.ndarray], window: tuple[slice, slice]) -> None:
    """The inputs, small, one above the other, in the first column."""
    stack = rows[:, 0].subgridspec(max(len(inputs), 2), 1, hspace=0.05)
    for row, (name, image) in enumerate(inputs.items()):
        axes = scan(figure.add_subplot(stack[row, 0]), image[window])
        axes.set_anchor("W")
        corner_text(axes, modality_label(name))
