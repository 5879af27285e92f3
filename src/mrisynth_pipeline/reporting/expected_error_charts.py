"""Figures on the expected error: does it order the errors, and is what it expects what comes?"""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from mrisynth_pipeline.metrics.uncertainty import SHARES
from mrisynth_pipeline.reporting.style import QUIET, horizontal_grid, method_colours, modality_label, new_figure, styled


def expected_error_figure(summary: Mapping[str, Any]) -> Figure:
    """Sparsification by the expected error (solid), by the spread alone (dashed); and the reliability diagram.

    Args:
        summary: Of one method, from :func:`~mrisynth_pipeline.metrics.reliability.summarise_expected_errors`.
    """
    targets = {row["target"]: row for row in summary["rows"] if row["ordered_by"] == "expected_error"}
    by_spread = {row["target"]: row for row in summary["rows"] if row["ordered_by"] == "spread"}
    colours = method_colours(targets)
    shares = [100 * share for share in SHARES]
    with styled():
        figure = new_figure(2.9, width=6.8)
        figure.set_layout_engine("constrained")
        left, right = figure.subplots(1, 2)
        for target, row in targets.items():
            label, colour = modality_label(target), colours[target]
            left.plot(shares, [100 * value for value in row["left"]], "-", color=colour, label=label)
            left.plot(shares, [100 * value for value in by_spread[target]["left"]], "--", lw=1, color=colour)
            expected, error = ([part[name] for part in row["bins"]] for name in ("expected", "error"))
            right.plot(expected, error, "o-", ms=3, color=colour, label=label)
        left.axhline(100, color=QUIET, lw=1, ls=":")
        left.set(xlabel="Most doubtful voxels set aside (%)", ylabel="Mean error left (%)", xlim=(0, 92))
        left.set_ylim(bottom=0)
        top = max(
            value for row in targets.values() for part in row["bins"] for value in (part["expected"], part["error"])
        )
        right.plot([0, top], [0, top], color=QUIET, lw=1, ls=":")
        right.set(xlabel="Expected absolute error", ylabel="Measured absolute error")
        for axes in (left, right):
            horizontal_grid(axes)
        left.set_title("Solid: expected error; dashed: spread alone", loc="left")
        right.legend(loc="upper left")
    return figure
