"""Quality beside cost."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from mrisynth_pipeline.reporting.style import INK, horizontal_grid, method_colours, method_label, new_figure, styled


def quality_over_cost(summary: Mapping) -> Figure:
    """PSNR inside the brain over the seconds that imputing one volume takes; areas grow with the weights.

    Args:
        summary: From the pipeline ``benchmark``.
    """
    methods = summary["scores"]["methods"]
    names = [name for name, entry in methods.items() if not entry["reference"]]
    colours = method_colours(names)
    with styled():
        figure = new_figure(3.0, width=5.6)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        for name in names:
            cost, psnr = summary["trainings"][name], methods[name]["overall"]["volume"]["psnr"]
            x, y = cost["seconds_per_volume"], psnr["mean"]
            if psnr["ci_low"] is not None:
                axes.plot([x, x], [psnr["ci_low"], psnr["ci_high"]], color=colours[name], lw=0.9)
            weights = (cost["parameters"] or 0.0) / 1e6
            axes.scatter([x], [y], s=14 + 40 * weights, color=colours[name], edgecolor="white", linewidth=0.6, zorder=3)
            axes.annotate(
                method_label(name), (x, y), xytext=(6, 4), textcoords="offset points", color=INK, fontsize=7.5
            )
        axes.set_xscale("log")
        axes.margins(x=0.2)
        axes.set_xlabel("Seconds per volume")
        axes.set_ylabel("PSNR inside the brain (dB)")
        horizontal_grid(axes)
    return figure
