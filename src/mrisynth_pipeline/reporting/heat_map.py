"""A table in colours: every number is written into its cell, the colour leads the eye."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from mrisynth_pipeline.reporting.style import INK

_BRIGHT = 0.55  # share of the scale from which dark text is read better than white
_BEST = "#d55e00"


def heat_map(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    text: Callable[[float], str],
    limits: tuple[float, float],
    higher_is_better: bool = True,
    font_size: float = 7.5,
) -> AxesImage:
    """Draw values as coloured cells, bright where they are good.

    Args:
        axes: Where.
        values: ``[row, column]``; cells that are NaN stay empty.
        rows: Labels on the left.
        columns: Labels above.
        text: How a value is written.
        limits: Values at the two ends of the colours.
        higher_is_better: ``False`` turns the colours round.
        font_size: Of numbers and labels, in points.
    """
    low, high = limits
    picture = axes.imshow(
        values, cmap="viridis" if higher_is_better else "viridis_r", vmin=low, vmax=high, aspect="auto"
    )
    axes.set_facecolor("#eef1f2")
    for row, column in np.argwhere(~np.isnan(values)):
        share = (values[row, column] - low) / ((high - low) or 1.0)
        bright = (share if higher_is_better else 1 - share) > _BRIGHT
        axes.text(column, row, text(values[row, column]), ha="center", va="center", fontsize=font_size,
                  color=INK if bright else "white")  # fmt: skip
    axes.set_xticks(range(len(columns)), columns)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labelsize=font_size)
    axes.spines[:].set_visible(False)
    return picture


def outline_cell(axes: Axes, row: int, column: int) -> None:
    """Mark the best cell."""
    axes.add_patch(Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, fill=False, edgecolor=_BEST, lw=1.3))
