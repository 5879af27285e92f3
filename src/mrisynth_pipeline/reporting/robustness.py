"""What misalignment of one input costs: curves, and the cost in a table."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mrisynth_pipeline.metrics.measures import Measure, measures_of
from mrisynth_pipeline.metrics.misalignment import NONE, ROTATION_DEG, TRANSLATION_MM, TRANSLATION_PIXELS
from mrisynth_pipeline.reporting.style import (
    QUIET,
    horizontal_grid,
    method_colours,
    method_label,
    new_figure,
    styled,
)
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, interval, number

_KIND_TITLES = {
    TRANSLATION_PIXELS: ("Shift in the slice", "pixels"),
    TRANSLATION_MM: ("Shift in space", "mm"),
    ROTATION_DEG: ("Rotation in space", "degrees"),
}
_MARKERS = {TRANSLATION_PIXELS: "^", TRANSLATION_MM: "o", ROTATION_DEG: "s"}
_DASHED = (0, (3, 2))
_SMALL = 3.5


def robustness_curves(summary: Mapping, protocol: str = "volume", measure: str = "psnr") -> Figure:
    """Quality against the size of the misalignment, a panel per kind of motion.

    Solid lines with a band (confidence interval over subjects): the input as it was moved. Dashed: the same input
    after the pipeline's registration.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.robustness.summarise_robustness`.
        protocol: ``volume`` or ``slice``.
        measure: ``psnr`` or ``ssim``.
    """
    kinds, colours = summary["kinds"], method_colours(summary["methods"])
    with styled():
        figure = new_figure(2.75)
        figure.set_layout_engine("constrained")
        panels = figure.subplots(1, max(len(kinds), 1), sharey=True, squeeze=False)[0]
        for axes, kind in zip(panels, kinds, strict=False):
            for method in summary["methods"]:
                rows = _curve(summary, method, kind, registered=False)
                _line_with_band(axes, rows, protocol, measure, colours[method])
                left = _curve(summary, method, kind, registered=True)
                means = [row[protocol][measure]["mean"] for row in left]
                axes.plot([row["amount"] for row in left], means, ls=_DASHED, lw=1.1, color=colours[method])
            title, unit = _KIND_TITLES[kind]
            axes.set_title(title, loc="left", fontweight="bold")
            axes.set_xlabel(unit)
            axes.set_xlim(left=0)
            amounts = sorted({row["amount"] for row in summary["rows"] if row["kind"] == kind})
            axes.set_xticks([0, *amounts], [f"{amount:g}" for amount in [0, *amounts]])
            horizontal_grid(axes)
        panels[0].set_ylabel(f"{protocol.capitalize()} {_measure(protocol, measure).label}")
        _method_legend(figure, summary)
    return figure


def misalignment_cost(summary: Mapping, protocol: str = "volume", measure: str = "psnr") -> Figure:
    """What is lost against aligned inputs, over how far the brain is misplaced on average.

    All kinds of motion on one axis in mm; filled marks: as moved, hollow marks: after the pipeline's registration.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.robustness.summarise_robustness`.
        protocol: ``volume`` or ``slice``.
        measure: ``psnr`` or ``ssim``.
    """
    colours = method_colours(summary["methods"])
    with styled():
        figure = new_figure(3.0, width=5.6)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        axes.axhline(0, color=QUIET, lw=0.6)
        for method in summary["methods"]:
            for kind in summary["kinds"]:
                for registered in (False, True):
                    rows = _curve(summary, method, kind, registered)
                    rows.sort(key=lambda row: row["residual_mm"])
                    mm = [row["residual_mm"] for row in rows]
                    loss = [row["loss"][protocol][measure]["mean"] for row in rows]
                    look = {"ls": "none", "mfc": "white"} if registered else {"lw": 1.1}
                    axes.plot(mm, loss, marker=_MARKERS[kind], ms=_SMALL, color=colours[method], **look)
        axes.set_xlabel("Mean displacement of the brain (mm)")
        axes.set_ylabel(f"Loss of {protocol} {_measure(protocol, measure).label}")
        axes.set_xlim(left=0)
        horizontal_grid(axes)
        marks = [_mark(_KIND_TITLES[kind][0], _MARKERS[kind], ls="-", lw=1.1) for kind in summary["kinds"]]
        if summary["registered"]:
            marks.append(_mark("After registration", "o", ls="none", mfc="white"))
        axes.legend(handles=[*_method_lines(summary), *marks], loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def cost_table(summary: Mapping, kind: str = TRANSLATION_MM, protocol: str = "volume", measure: str = "psnr") -> Table:
    """What a mean displacement of the brain by so many millimetres costs, per method.

    No value is marked as the best: a method that hardly looks at its inputs loses least.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.robustness.summarise_robustness`.
        kind: Which motion displaces the brain; one of the summary's.
        protocol: ``volume`` or ``slice``.
        measure: ``psnr`` or ``ssim``.
    """
    what = _measure(protocol, measure)
    losses = [Column(f"at {mm:g} mm", "Loss") for mm in summary["cost_mm"]]
    columns = [Column("Method", numeric=False), Column(f"Aligned {what.label}"), *losses]
    columns += [Column("mm left", "Registered"), Column("Loss", "Registered")] if summary["registered"] else []
    costs = {
        (entry["method"], entry["mm"]): entry[protocol][measure] for entry in summary["costs"] if entry["kind"] == kind
    }
    rows = []
    for method in summary["methods"]:
        cells = [method_label(method), _aligned(summary, method, what)]
        cells += [_with_interval(costs[method, mm], what.decimals) for mm in summary["cost_mm"]]
        if summary["registered"]:
            cells += _after_registration(summary, method, what)
        rows.append(Row(tuple(Cell(text) for text in cells)))
    count = summary["n_subjects"]
    caption = (
        f"Loss of {what.label}, protocol {protocol}, when one input is misplaced by so much on average over the brain "
        f"({_KIND_TITLES[kind][0].lower()}; n = {count} test subject{'' if count == 1 else 's'})."
    )
    notes = "In brackets the confidence interval over subjects. Read a loss beside the aligned score: a method that "
    notes += "hardly looks at its inputs loses least."
    if summary["registered"]:
        notes += " Registered: mean over all motions in space that were imposed and registered back."
    return Table(caption, tuple(columns), tuple(rows), (notes,))


def _curve(summary: Mapping, method: str, kind: str, registered: bool) -> list[Mapping]:
    """Rows of one line by amount, the aligned case first."""
    rows = [
        row
        for row in summary["rows"]
        if row["method"] == method and row["kind"] in (kind, NONE) and row["registered"] == registered
    ]
    if not any(row["kind"] == kind for row in rows):
        return []
    return sorted(rows, key=lambda row: row["amount"])


def _line_with_band(axes: Axes, rows: Sequence[Mapping], protocol: str, measure: str, colour: str) -> None:
    amounts, entries = [row["amount"] for row in rows], [row[protocol][measure] for row in rows]
    axes.plot(amounts, [entry["mean"] for entry in entries], "o-", ms=_SMALL, color=colour)
    if all(entry["ci_low"] is not None for entry in entries):
        low, high = [entry["ci_low"] for entry in entries], [entry["ci_high"] for entry in entries]
        axes.fill_between(amounts, low, high, color=colour, alpha=0.15, lw=0)


def _method_lines(summary: Mapping) -> list[Line2D]:
    colours = method_colours(summary["methods"])
    return [Line2D([], [], color=colours[name], label=method_label(name)) for name in summary["methods"]]


def _method_legend(figure: Figure, summary: Mapping) -> None:
    """One legend above all panels."""
    handles = _method_lines(summary)
    if summary["registered"]:
        handles.append(Line2D([], [], color=QUIET, ls=_DASHED, lw=1.1, label="After registration"))
    figure.legend(handles=handles, loc="outside upper right", ncols=min(len(handles), 6))


def _mark(label: str, marker: str, **look: object) -> Line2D:
    return Line2D([], [], color=QUIET, marker=marker, ms=_SMALL, label=label, **look)


def _measure(protocol: str, measure: str) -> Measure:
    [found] = [item for item in measures_of(protocol) if item.name == measure]
    return found


def _aligned(summary: Mapping, method: str, what: Measure) -> str:
    """The score with aligned inputs."""
    scores = [
        row[what.protocol][what.name]["mean"]
        for row in summary["rows"]
        if (row["method"], row["kind"], row["registered"]) == (method, NONE, False)
    ]
    return number(scores[0] if scores else None, what.decimals)


def _with_interval(entry: Mapping, decimals: int) -> str:
    """``0.41 [0.30 to 0.52]``."""
    if entry["ci_low"] is None:
        return number(entry["mean"], decimals)
    return f"{number(entry['mean'], decimals)} [{interval(entry['ci_low'], entry['ci_high'], decimals)}]"


def _after_registration(summary: Mapping, method: str, what: Measure) -> list[str]:
    """Mean displacement left, and mean loss, over all motions that were registered back."""
    rows = [row for row in summary["rows"] if row["method"] == method and row["registered"] and row["kind"] != NONE]
    if not rows:
        return [ABSENT, ABSENT]
    loss = fmean(row["loss"][what.protocol][what.name]["mean"] for row in rows)
    return [number(fmean(row["residual_mm"] for row in rows), 2), number(loss, what.decimals)]
