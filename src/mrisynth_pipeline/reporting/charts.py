"""Figures that show numbers: scores, training, codes and segmentation."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.metrics.codes import perplexity
from mrisynth_pipeline.metrics.measures import measures_of
from mrisynth_pipeline.metrics.segmentation_statistics import NONE_MISSING, REAL, ZERO
from mrisynth_pipeline.reporting.heat_map import heat_map
from mrisynth_pipeline.reporting.style import (
    INK,
    METHOD_COLOURS,
    PAGE_WIDTH,
    QUIET,
    horizontal_grid,
    method_colours,
    method_label,
    modality_label,
    new_figure,
    styled,
    subset_label,
)


def pair_heatmap(
    summary: Mapping, method: str, measure: str = "psnr", limits: tuple[float, float] | None = None
) -> Figure:
    """Protocol ``slice`` of one method for every (available subset → missing contrast) pair.

    Cells whose contrast was an input stay grey.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`.
        method: A method of the summary.
        measure: ``psnr``, ``ssim`` or ``mae``.
        limits: Ends of the colour scale, to compare several methods; ``None``: those of this one.
    """
    pairs = summary["methods"][method]["by_pair"]
    subsets = [entry["inputs"] for entry in sorted(pairs, key=lambda entry: entry["n_inputs"])]
    subsets = list(dict.fromkeys(subsets))
    targets = _modalities_of(pairs)
    values = np.full((len(subsets), len(targets)), np.nan)
    for entry in pairs:
        values[subsets.index(entry["inputs"]), targets.index(entry["target"])] = entry["slice"][measure]
    [unit] = [item for item in measures_of("slice") if item.name == measure]
    with styled():
        height = 0.75 + 0.27 * len(subsets)
        figure = new_figure(height, width=min(PAGE_WIDTH, 2.7 + 0.85 * len(targets)))
        axes = figure.add_subplot()
        figure.set_layout_engine("constrained")
        low, high = limits or (np.nanmin(values), np.nanmax(values))
        picture = heat_map(
            axes,
            values,
            [subset_label(name) for name in subsets],
            [modality_label(name) for name in targets],
            text="{:.1f}".format,
            limits=(low, high),
            higher_is_better=unit.higher_is_better,
            font_size=8.5,
        )
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("Missing contrast", color=QUIET)
        bar = figure.colorbar(picture, ax=axes, fraction=0.05, pad=0.03, aspect=30)
        bar.outline.set_visible(False)
        bar.set_label(f"{unit.label}, {method_label(method)}")
    return figure


def scores_by_inputs(summary: Mapping, measure: str = "psnr") -> Figure:
    """Protocol ``slice`` against the number of available contrasts, one line per method.

    Methods that have seen the truth are dashed grey, and left out where they would flatten the others.
    """
    methods = summary["methods"]
    competitors = [name for name, entry in methods.items() if not entry["reference"]]
    colours = method_colours(competitors)
    best = max(entry["slice"][measure] for name in competitors for entry in methods[name]["by_n_inputs"])
    [unit] = [item.label for item in measures_of("slice") if item.name == measure]
    with styled():
        figure = new_figure(2.6, width=4.6)
        axes = figure.add_subplot()
        for name, entry in methods.items():
            counts = [part["n_inputs"] for part in entry["by_n_inputs"]]
            values = [part["slice"][measure] for part in entry["by_n_inputs"]]
            if name in colours:
                axes.plot(counts, values, "o-", color=colours[name], markersize=4, label=method_label(name))
            elif max(values) < best + 12:
                axes.plot(counts, values, "--", color=QUIET, linewidth=1, label=method_label(name))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("Available contrasts")
        axes.set_ylabel(f"Slice {unit}")
        horizontal_grid(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.set_layout_engine("constrained")
    return figure


def training_curves(history: pd.DataFrame, title: str = "") -> Figure:
    """Logged metrics against the optimiser step, one panel per metric.

    Args:
        history: Column ``step`` and one column per metric. ``train_x`` and ``val_x`` (or with a slash)
            share the panel ``x``. Missing values (metrics logged at other steps) are passed over.
        title: Heading of the figure.

    Raises:
        ValueError: There is no ``step`` column or no metric.
    """
    metrics = [name for name in history.columns if name not in ("step", "epoch")]
    if "step" not in history.columns or not metrics:
        raise ValueError(f"a training history needs 'step' and a metric, got {list(history.columns)}")
    panels: dict[str, list[str]] = {}
    for name in metrics:
        panels.setdefault(_phase_and_metric(name)[1], []).append(name)
    n_columns = min(3, len(panels))
    n_rows = -(-len(panels) // n_columns)
    with styled():
        figure = new_figure(0.35 + 1.75 * n_rows, width=max(2.6 * n_columns, 3.6) * PAGE_WIDTH / 7.8)
        figure.set_layout_engine("constrained")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
        for position, (panel, columns) in enumerate(panels.items()):
            axes = figure.add_subplot(n_rows, n_columns, position + 1)
            for number, column in enumerate(columns):
                curve = history[["step", column]].dropna()
                colour, phase = METHOD_COLOURS[number % len(METHOD_COLOURS)], _phase_and_metric(column)[0]
                marker = "o" if len(curve) < 12 else ""  # a lone validation point would be invisible
                axes.plot(curve["step"], curve[column], marker=marker, ms=3, color=colour, label=phase)
            axes.set_title(_metric_title(panel), loc="left")
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            horizontal_grid(axes)
            if len(columns) > 1:
                axes.legend()
            if position >= len(panels) - n_columns:
                axes.set_xlabel("Step")
    return figure


def code_usage(counts: Num[np.ndarray, " codes"]) -> Figure:
    """How often each code of the codebook is used, most frequent first.

    The title states the share of codes in use and the perplexity exp(H), the number of equally frequent codes
    that would carry the same information.

    Args:
        counts: Occurrences per code, unused codes included as zeros.

    Raises:
        ValueError: No code was used at all.
    """
    counts = np.asarray(counts, dtype=float).ravel()
    if counts.sum() <= 0:
        raise ValueError("no code was used: there is nothing to show")
    shares = np.sort(counts[counts > 0])[::-1] / counts.sum()
    effective = perplexity(counts)
    with styled():
        figure = new_figure(2.5, width=5.2)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        ranks = np.arange(1, len(shares) + 1)
        percent, blue = 100 * shares, METHOD_COLOURS[0]
        axes.fill_between(ranks, percent, percent.min() / 2, color=blue, alpha=0.25, lw=0)
        axes.plot(ranks, percent, color=blue)
        axes.axvline(effective, color=METHOD_COLOURS[1], linewidth=1)
        axes.annotate(f" perplexity {effective:,.0f}", (effective, percent.max()), color=METHOD_COLOURS[1])
        axes.set(xscale="log", yscale="log")
        axes.set(xlabel="Codes, most frequent first", ylabel="Share of positions (%)")
        axes.set_title(f"{len(shares):,} of {len(counts):,} codes in use ({len(shares) / len(counts):.1%})", loc="left")
        horizontal_grid(axes)
    return figure


def segmentation_bars(summary: Mapping, methods: Sequence[str] | None = None) -> Figure:
    """Dice per missing contrast and tumour region: blank, each method, and the real scans as a line.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.segmentation_statistics.summarise_segmentation`.
        methods: Methods to draw, in order; all but ``real`` by default.
    """
    names = [name for name in methods or summary["methods"] if name != REAL]
    names.sort(key=lambda name: name != ZERO)  # blank first, the others in order
    dice = {(row["missing"], row["region"], row["method"]): row["dice"] for row in summary["rows"]}
    colours = method_colours([name for name in names if name != ZERO]) | {ZERO: "#b9c1c7"}
    missing = list(summary["missing"])
    with styled():
        figure = new_figure(2.7)
        figure.set_layout_engine("constrained")
        panels = figure.subplots(1, len(summary["regions"]), sharey=True, squeeze=False)[0]
        width = 0.8 / max(len(names), 1)
        for axes, region in zip(panels, summary["regions"], strict=True):
            for number, name in enumerate(names):
                known = [(i, dice[contrast, region, name]) for i, contrast in enumerate(missing)
                         if (contrast, region, name) in dice]  # fmt: skip
                x = [i + (number - (len(names) - 1) / 2) * width for i, _ in known]
                means = [entry["mean"] for _, entry in known]
                axes.bar(x, means, 0.9 * width, color=colours[name], label=method_label(name))
                for position, (_, entry) in zip(x, known, strict=True):
                    if entry["ci_low"] is not None:
                        axes.plot([position] * 2, [entry["ci_low"], entry["ci_high"]], color=INK, lw=0.8)
            real = dice.get((NONE_MISSING, region, REAL))
            if real is not None:
                axes.axhline(real["mean"], color=INK, linewidth=1, linestyle=(0, (4, 2)), label="All real")
            axes.set_title(region, loc="left", fontweight="bold")
            axes.set_xticks(range(len(missing)), [modality_label(name) for name in missing])
            axes.tick_params(axis="x", length=0)
            axes.set_ylim(0, 1)
            horizontal_grid(axes)
        panels[0].set_ylabel("Dice")
        panels[len(panels) // 2].set_xlabel("Missing contrast")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def _phase_and_metric(column: str) -> tuple[str, str]:
    """``val_code_accuracy`` → (``validation``, ``code_accuracy``)."""
    match = re.match(r"(train|val|validation|test)[_/](.+)", column)
    if match is None:
        return "", column
    return {"train": "training", "val": "validation"}.get(match[1], match[1]), match[2]


def _metric_title(metric: str) -> str:
    """``psnr_missing`` → ``PSNR missing``."""
    first, *rest = metric.replace("/", " ").split("_")
    acronyms = {"psnr", "ssim", "mae", "mse", "kl"}
    words = [first.upper() if first in acronyms else first.capitalize()]
    return " ".join([*words, *(word.upper() if word in acronyms else word for word in rest)])


def _modalities_of(pairs: Sequence[Mapping]) -> list[str]:
    """Every imputed contrast, in the channel order of the project."""
    targets = dict.fromkeys(entry["target"] for entry in pairs)
    known = [name for name in DISPLAY_NAMES if name in targets]
    return known + [name for name in targets if name not in known]
