"""Figures that set all methods side by side: critical differences, every pair, and a radar of contrasts."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.metrics.measures import measures_of
from mrisynth_pipeline.reporting.heat_map import heat_map, outline_cell
from mrisynth_pipeline.reporting.style import (
    INK,
    METHOD_COLOURS,
    PAGE_WIDTH,
    QUIET,
    RULE,
    method_colours,
    method_label,
    modality_label,
    new_figure,
    styled,
    subset_label,
)

_LINE = 0.2  # inches between the labels of two methods
_SIDE = 0.3  # share of the figure's width that labels take on either side


def critical_difference(ranking: Mapping) -> Figure:
    """Mean ranks on an axis, best on the left; a bar joins methods that the Nemenyi test does not tell apart.

    The picture of Demšar (2006). Labels of the better half stand on the left, the others on the right.

    Args:
        ranking: From :func:`~mrisynth_pipeline.metrics.ranking.rank_methods`.
    """
    ranks = ranking["mean_ranks"]
    names, k = list(ranks), len(ranks)
    critical, groups = ranking["critical"], ranking["groups"]
    better = names[: (k + 1) // 2]
    head = 0.75 if critical is not None else 0.45
    bars = 0.12 * len(groups) + 0.1
    height = head + bars + _LINE * len(better) + 0.1
    with styled():
        figure = new_figure(height)
        axes = figure.add_axes((_SIDE, 0, 1 - 2 * _SIDE, 1))
        axes.set_axis_off()
        axes.set_xlim(1, max(k, 2))
        axes.set_ylim(height, 0)  # inches from the top
        line = {"color": INK, "linewidth": 1, "clip_on": False}
        axes.plot([1, k], [head] * 2, **line)
        for tick in range(1, k + 1):
            axes.plot([tick] * 2, [head - 0.06, head], **line)
            axes.text(tick, head - 0.09, str(tick), ha="center", va="bottom")
        if critical is not None:
            _bar(axes, critical, k)
        for number, group in enumerate(groups):
            y = head + 0.12 * (number + 1)
            ends = [ranks[group[0]], ranks[group[-1]]]
            bar = {"color": INK, "lw": 3.2, "solid_capstyle": "butt", "clip_on": False}
            axes.plot([ends[0] - 0.04, ends[1] + 0.04], [y] * 2, **bar)
        colours = method_colours(names)
        for side, members in ((-1, better), (1, names[len(better) :][::-1])):
            edge = 1 - 0.15 if side < 0 else k + 0.15
            for number, name in enumerate(members):
                y = head + bars + _LINE * (number + 0.7)
                axes.plot([ranks[name]] * 2, [head, y], color=colours[name], lw=1, clip_on=False)
                axes.plot([ranks[name], edge], [y] * 2, color=colours[name], lw=1, clip_on=False)
                label, rank = method_label(name), f"{ranks[name]:.2f}"
                text, align = (f"{label}  {rank}", "right") if side < 0 else (f"{rank}  {label}", "left")
                axes.text(edge + side * 0.05, y, text, ha=align, va="center", clip_on=False)
    return figure


def _bar(axes, critical: float, k: int) -> None:
    """The length of the critical difference, above the axis."""
    y, end = 0.22, min(1 + critical, k)
    axes.plot([1, end], [y] * 2, color=INK, lw=1.2, clip_on=False)
    for x in (1, end):
        axes.plot([x] * 2, [y - 0.04, y + 0.04], color=INK, lw=1.2, clip_on=False)
    beyond = " (longer than the axis)" if critical > k - 1 else ""
    axes.text((1 + end) / 2, y - 0.05, f"critical difference {critical:.2f}{beyond}", ha="center", va="bottom")


def pairs_by_method(summary: Mapping, measure: str = "psnr") -> Figure:
    """Protocol ``slice`` of every (available → missing) pair by every method; the best of each row is outlined.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`.
        measure: ``psnr``, ``ssim`` or ``mae``.
    """
    methods = [name for name, entry in summary["methods"].items() if not entry["reference"]]
    methods.sort(key=lambda name: -summary["methods"][name]["overall"]["slice"]["psnr"])
    found = {
        (entry["inputs"], entry["target"], name): entry["slice"][measure]
        for name in methods
        for entry in summary["methods"][name]["by_pair"]
    }
    pairs = sorted(dict.fromkeys((inputs, target) for inputs, target, _ in found), key=_order)
    values = np.array([[found.get((*pair, name), np.nan) for name in methods] for pair in pairs])
    [unit] = [item for item in measures_of("slice") if item.name == measure]
    with styled():
        figure = new_figure(0.95 + 0.2 * len(pairs))
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        low, high = np.nanmin(values), np.nanmax(values)
        picture = heat_map(
            axes,
            values,
            [f"{subset_label(i)} → {modality_label(t)}" for i, t in pairs],
            [method_label(name).replace(" ", "\n", 1) for name in methods],
            text="{:.1f}".format,
            limits=(low, high),
            higher_is_better=unit.higher_is_better,
        )
        best = np.nanargmax(values if unit.higher_is_better else -values, axis=1)
        for row, column in enumerate(best):
            outline_cell(axes, row, column)
        bar = figure.colorbar(picture, ax=axes, fraction=0.03, pad=0.02, aspect=40)
        bar.outline.set_visible(False)
        bar.set_label(f"Slice {unit.label}")
    return figure


def _order(pair: tuple[str, str]) -> tuple:
    """Fewer inputs first, then the channel order of the contrasts."""
    known = list(DISPLAY_NAMES)
    inputs = pair[0].split("+")
    return (len(inputs), [known.index(name) if name in known else len(known) for name in inputs], pair[1])


def contrast_radar(summary: Mapping, methods: Sequence[str], measure: str = "psnr") -> Figure:
    """Protocol ``slice`` by missing contrast on one axis each, one line per method.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`.
        methods: Whose lines.
        measure: ``psnr`` or ``ssim``.

    Raises:
        ValueError: There are fewer than three contrasts: a radar of them would be a line.
    """
    values = {
        name: {entry["target"]: entry["slice"][measure] for entry in summary["methods"][name]["by_target"]}
        for name in methods
    }
    targets = sorted({target for of_name in values.values() for target in of_name}, key=lambda t: _order((t, t)))
    if len(targets) < 3:
        raise ValueError(f"a radar needs three contrasts, there are {len(targets)}")
    [unit] = [item for item in measures_of("slice") if item.name == measure]
    angles = np.linspace(0, 2 * np.pi, len(targets), endpoint=False)
    everything = [value for of_name in values.values() for value in of_name.values()]
    low, high = min(everything), max(everything)
    room = 0.15 * (high - low)
    colours = method_colours(methods)
    styles = ("-", "--", "-.")
    with styled():
        figure = new_figure(3.6, width=0.78 * PAGE_WIDTH)
        axes = figure.add_axes((0.1, 0.1, 0.48, 0.8), projection="polar")
        axes.set_theta_offset(np.pi / 2)
        axes.set_theta_direction(-1)
        for number, name in enumerate(methods):
            known = [values[name].get(target, np.nan) for target in targets]
            axes.plot(
                np.append(angles, angles[0]), [*known, known[0]], color=colours[name], label=method_label(name),
                lw=1.3, marker="o", markersize=2.5, linestyle=styles[number // len(METHOD_COLOURS) % 3],
            )  # fmt: skip
        axes.set_ylim(low - room, high + room)
        axes.set_xticks(angles, [modality_label(target) for target in targets])
        axes.tick_params(axis="x", pad=6)
        axes.set_rlabel_position(180 / len(targets))
        axes.tick_params(axis="y", labelsize=7, labelcolor=QUIET)
        axes.grid(color=RULE, lw=0.6)
        axes.spines["polar"].set_color(RULE)
        figure.legend(loc="center left", bbox_to_anchor=(0.64, 0.5), title=f"Slice {unit.label}\nby missing contrast",
                      alignment="left")  # fmt: skip
    return figure
