"""Figures of numbers on how sure generative methods are: sparsification, inputs, temperature, latents."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mrisynth_pipeline.reporting.style import (
    INK,
    QUIET,
    horizontal_grid,
    method_colours,
    method_label,
    new_figure,
    styled,
)

_MARKERS = ("o", "s", "^", "D", "v", "P")
_NAMED = 10  # subjects that a legend names


def sparsification_curves(summaries: Mapping[str, Mapping]) -> Figure:
    """Error left against the share of voxels set aside: of each method with its oracle, and of a random order.

    Args:
        summaries: Method → from :func:`~mrisynth_pipeline.metrics.uncertainty_statistics.summarise_uncertainty`.
    """
    colours = method_colours(summaries)
    with styled():
        figure = new_figure(2.9, width=5.2)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        for method, summary in summaries.items():
            shares = [100 * entry["share"] for entry in summary["curve"]]
            means = [_times(entry["method"], 100) for entry in summary["curve"]]
            _band(axes, shares, [entry["method"] for entry in summary["curve"]], colours[method], 100)
            axes.plot(shares, means, "o-", ms=3, color=colours[method], label=method_label(method))
            oracle = [_times(entry["oracle"], 100) for entry in summary["curve"]]
            name = "Oracle: the errors themselves" + (f", {method_label(method)}" if len(summaries) > 1 else "")
            axes.plot(shares, oracle, "--", lw=1, color=colours[method], label=name)
        axes.axhline(100, color=QUIET, lw=1, ls=":", label="Random order")
        axes.set(xlabel="Most uncertain voxels set aside (%)", ylabel="Mean error left (%)", xlim=(0, 92))
        axes.set_ylim(bottom=0)
        horizontal_grid(axes)
        axes.legend(loc="lower left")
    return figure


def deviation_by_inputs(summaries: Mapping[str, Mapping]) -> Figure:
    """Mean standard deviation and mean error against the number of available contrasts.

    Args:
        summaries: Method → from :func:`~mrisynth_pipeline.metrics.uncertainty_statistics.summarise_uncertainty`.
    """
    colours = method_colours(summaries)
    with styled():
        figure = new_figure(2.5, width=5.6)
        figure.set_layout_engine("constrained")
        for axes, (key, title) in zip(
            figure.subplots(1, 2), (("deviation", "Standard deviation"), ("error", "Absolute error")), strict=True
        ):
            for method, summary in summaries.items():
                counts = [part["n_inputs"] for part in summary["by_n_inputs"]]
                entries = [part[key] for part in summary["by_n_inputs"]]
                means = [_times(entry, 1000) for entry in entries]
                axes.plot(counts, means, "o-", ms=4, color=colours[method], label=method_label(method))
                _whiskers(axes, counts, entries, colours[method], 1000)
            axes.set_title(title, loc="left", fontweight="bold")
            axes.set_xlabel("Available contrasts")
            axes.set_ylim(bottom=0)
            axes.margins(x=0.15)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            horizontal_grid(axes)
        figure.axes[0].set_ylabel("Mean in the brain ×1000")
        if len(summaries) > 1:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=len(summaries))
    return figure


def temperature_curves(summaries: Mapping[str, Mapping]) -> Figure:
    """PSNR of the mean of the draws (solid) and of a draw alone (dashed) against the temperature.

    Args:
        summaries: Method → from :func:`~mrisynth_pipeline.metrics.uncertainty_statistics.summarise_temperatures`.
    """
    colours = method_colours(summaries)
    with styled():
        figure = new_figure(2.6, width=5.2)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        for method, summary in summaries.items():
            entries = summary["temperatures"]
            temperatures = [entry["temperature"] for entry in entries]
            prefix = f"{method_label(method)}, " if len(summaries) > 1 else ""
            mean_label = f"{prefix}mean of {summary['n_samples']} draws"
            for kind, style, label in (
                ("mean_psnr", "o-", mean_label),
                ("single_psnr", "o--", f"{prefix}a draw alone"),
            ):
                means = [entry[kind]["mean"] for entry in entries]
                face = colours[method] if kind == "mean_psnr" else "white"
                name = label[:1].upper() + label[1:]
                axes.plot(temperatures, means, style, ms=4, color=colours[method], markerfacecolor=face, label=name)
            best = summary["best"]["mean_psnr"]
            height = next(e["mean_psnr"]["mean"] for e in entries if e["temperature"] == best)
            axes.plot([best], [height], "o", ms=10, mfc="none", mec=INK, mew=0.8)
        axes.set(xlabel="Temperature", ylabel="PSNR in the brain (dB)")
        axes.margins(y=0.12)
        horizontal_grid(axes)
        axes.legend(loc="best")
    return figure


def latent_scatter(components: pd.DataFrame, method: str = "") -> Figure:
    """The latents of every subject and set of inputs on their first two principal components.

    Colour: subject; marker: number of inputs. Thin lines lead from every code to that of all contrasts of its subject.

    Args:
        components: From :func:`mrisynth_pipeline.evaluation.latent.compare_latents`.
        method: Shown in the title, if it is not alone.
    """
    table = components.pivot_table(index=["subject", "inputs", "n_inputs"], columns="component", values="score")
    explained = components.groupby("component")["explained"].first()
    second = table[2] if 2 in table else 0.0 * table[1]
    points = pd.DataFrame({"x": table[1], "y": second}).reset_index()
    subjects = list(points["subject"].unique())
    palette = colormaps["tab10" if len(subjects) <= 10 else "turbo"]
    colours = {
        name: palette(number if len(subjects) <= 10 else number / max(len(subjects) - 1, 1))
        for number, name in enumerate(subjects)
    }
    counts = sorted(points["n_inputs"].unique())
    with styled():
        figure = new_figure(3.6, width=6.6)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        for name in subjects:
            own = points[points["subject"] == name]
            centre = own[own["n_inputs"] == counts[-1]].iloc[0]
            for _, point in own.iterrows():
                axes.plot([point["x"], centre["x"]], [point["y"], centre["y"]], lw=0.4, color=colours[name], zorder=1)
        for number, count in enumerate(counts):
            part = points[points["n_inputs"] == count]
            last = count == counts[-1]
            shades = [colours[name] for name in part["subject"]]
            edge, size, above = (INK, 64, 3) if last else ("white", 24, 2)
            marker = "*" if last else _MARKERS[number % 6]
            looks = {"c": shades, "edgecolors": edge, "linewidths": 0.5}
            axes.scatter(part["x"], part["y"], s=size, marker=marker, zorder=above, **looks)
        labels = [f"Component {number} ({100 * explained.get(number, 0.0):.0f} % of the variance)" for number in (1, 2)]
        axes.set(xlabel=labels[0], ylabel=labels[1])
        if method:
            axes.set_title(method_label(method), loc="left", fontweight="bold")
        grey = {"color": QUIET, "ls": "", "ms": 5}
        handles = [
            Line2D([], [], marker="*" if count == counts[-1] else _MARKERS[number % 6], **grey,
                   label="all contrasts" if count == counts[-1] else f"{count} contrast{'s' if count > 1 else ''}")
            for number, count in enumerate(counts)
        ]  # fmt: skip
        if len(subjects) <= _NAMED:
            handles += [Line2D([], [], marker="o", ls="", ms=5, color=colours[name], label=name) for name in subjects]
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set_axisbelow(True)
        axes.grid(True)
    return figure


def _times(entry: Mapping, factor: float) -> float:
    return np.nan if entry["mean"] is None else factor * entry["mean"]


def _band(axes: Axes, x: list[float], entries: list[Mapping], colour: str, factor: float) -> None:
    """Confidence intervals as a band, where there are any."""
    if all(entry["ci_low"] is not None for entry in entries):
        low, high = ([factor * entry[side] for entry in entries] for side in ("ci_low", "ci_high"))
        axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)


def _whiskers(axes: Axes, x: list[float], entries: list[Mapping], colour: str, factor: float) -> None:
    """Confidence intervals as lines."""
    for position, entry in zip(x, entries, strict=True):
        if entry["ci_low"] is not None:
            ends = [factor * entry["ci_low"], factor * entry["ci_high"]]
            axes.plot([position] * 2, ends, color=colour, lw=1)
