"""Quality beside cost."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mrisynth_pipeline.reporting.style import (
    INK,
    horizontal_grid,
    method_colours,
    method_label,
    new_figure,
    styled,
)


def quality_over_cost(summary: Mapping) -> Figure:
    """PSNR inside the brain over the seconds that imputing one volume takes; areas grow with the weights.

    Args:
        summary: From the pipeline ``benchmark``.
    """
    methods = summary["scores"]["methods"]
    names = [name for name, entry in methods.items() if not entry["reference"]]
    colours = method_colours(names)
    dots = {
        n: (summary["trainings"][n]["seconds_per_volume"], methods[n]["overall"]["volume"]["psnr"]["mean"])
        for n in names
    }
    with styled():
        figure = new_figure(3.0, width=5.6)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        for name, (x, y) in dots.items():
            psnr = methods[name]["overall"]["volume"]["psnr"]
            if psnr["ci_low"] is not None:
                axes.plot([x, x], [psnr["ci_low"], psnr["ci_high"]], color=colours[name], lw=0.9)
            weights = (summary["trainings"][name]["parameters"] or 0.0) / 1e6
            axes.scatter([x], [y], s=14 + 40 * weights, color=colours[name], edgecolor="white", linewidth=0.6, zorder=3)
            side, align = ((7, "left"), (-7, "right"))[_has_neighbour_on_its_right(name, dots)]
            axes.annotate(method_label(name), (x, y), xytext=(side, 4), textcoords="offset points", ha=align,
                          color=INK, fontsize=7.5)  # fmt: skip
        axes.set_xscale("log")
        axes.margins(x=0.3)
        axes.set_xlabel("Seconds per volume")
        axes.set_ylabel("PSNR inside the brain (dB)")
        horizontal_grid(axes)
    return figure


def _has_neighbour_on_its_right(name: str, dots: Mapping[str, tuple[float, float]]) -> bool:
    """Where the nearest other dot lies, on a logarithmic x axis."""
    places = {key: np.array([np.log10(max(x, 1e-6)), y]) for key, (x, y) in dots.items()}
    span = np.ptp(np.stack(list(places.values())), axis=0)
    away = {k: (place - places[name]) / np.where(span > 0, span, 1) for k, place in places.items() if k != name}
    return bool(away) and bool(min(away.values(), key=np.linalg.norm)[0] > 0)
