"""What missing scans in the cohort cost each method, for a person: words, a table, curves and pictures."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from mrisynth_pipeline.metrics.comparison import SIGNIFICANCE
from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.pictures import picture
from mrisynth_pipeline.reporting.report import COHORT_NAMES
from mrisynth_pipeline.reporting.scans import column_title, corner_text, head_window, psnr_text, scan
from mrisynth_pipeline.reporting.style import (
    METHOD_COLOURS,
    PAGE_WIDTH,
    horizontal_grid,
    method_in_sentence,
    method_label,
    modality_label,
    new_figure,
    styled,
)
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, best_of, number, p_relation
from mrisynth_pipeline.reporting.variants import count, notes_of

OURS = "mmhvae"
"""The contestant whose loss is asked about."""
ASKED = "0.5"
"""The fraction at which."""
_BASELINES = ("linear", "mean")


def incomplete_verdict(summary: Mapping) -> list[str]:
    """The question that was asked beforehand, answered as it falls: does MMHVAE lose least at half of the scans?

    Args:
        summary: From the pipeline ``incomplete_cohorts``.
    """
    asked = {name: entries.get(ASKED, {}) for name, entries in summary["variants"].items()}
    lost = {name: e["loss"]["mean"] for name, e in asked.items() if _whole(summary, e) and e["loss"]}
    untrainable = [name for name, e in asked.items() if "obstacle" in e]
    partly = [name for name, e in asked.items() if "psnr" in e and not _whole(summary, e)]
    sentences = []
    rivals = {name: loss for name, loss in lost.items() if summary["methods"][name] not in (OURS, *_BASELINES)}
    if OURS not in lost:
        return [
            f"{method_label(OURS)} was not trained with and without half of the scans: there is nothing to compare."
        ]
    share = f"{100 * summary['hidden'][ASKED]:.0f} % of the training scans hidden"
    own = f"With {share} MMHVAE loses {number(lost[OURS], 2)} dB PSNR inside the brain"
    evidence = f"n = {count(summary['n_subjects'], 'test subject')}, {count(summary['seeds'], 'seed')}"
    if rivals:
        nearest = min(rivals, key=rivals.get)
        least = f"{method_in_sentence(nearest)}, {number(rivals[nearest], 2)} dB"
        order = "less" if lost[OURS] < rivals[nearest] else "not less"
        sentences.append(f"{own}, {order} than the other trained network that loses least, {least} ({evidence}).")
        test = _comparison(summary, OURS, nearest)
        if test:
            shown, p = "is" if test["p_holm"] <= SIGNIFICANCE else "is not", p_relation(test["p_holm"])
            sentences.append(f"That difference {shown} shown beyond chance of the subjects (Wilcoxon p {p}, Holm).")
            sentences += notes_of([test])
    else:
        sentences.append(f"{own} ({evidence}); no other trained network has a loss to compare with.")
    if untrainable:
        names = ", ".join(method_label(name) for name in untrainable)
        sentences.append(f"Not trainable at all on what is left: {names}.")
    if partly:
        names = ", ".join(method_label(name) for name in partly)
        sentences.append(f"Trainable in some folds alone: {names}.")
    if summary["seeds"] < 2:
        sentences.append("With one seed it is not known how much chance in training and in the choice of scans does.")
    return sentences


def _comparison(summary: Mapping, first: str, second: str) -> Mapping | None:
    for test in summary["comparisons"].get(ASKED, []):
        if {test["first"], test["second"]} == {first, second}:
            return test
    return None


def incomplete_tables(summary: Mapping) -> list[Table]:
    """Quality at every share of hidden scans; and on how many subjects each method was trained, and what it lost."""
    names, variants = list(summary["variants"]), summary["variants"]
    fractions = [f"{fraction:g}" for fraction in summary["fractions"]]
    shares = {fraction: f"{100 * summary['hidden'][fraction]:.0f} %" for fraction in fractions}
    lossy = [fraction for fraction in fractions if fraction != "0"]
    best = {
        fraction: dict(zip(names, best_of([_mean(summary, name, fraction) for name in names], 2), strict=True))
        for fraction in fractions
    }
    quality, cost = [], []
    for name in names:
        entries = {fraction: variants[name].get(fraction, {}) for fraction in fractions}
        psnr = [Cell(_counted(summary, e, "psnr", 2), best[fraction][name]) for fraction, e in entries.items()]
        ssim = [Cell(_counted(summary, e, "ssim", 1)) for e in entries.values()]
        quality.append(Row((Cell(method_label(name)), *psnr, *ssim)))
        trained = [Cell("0" if "obstacle" in e else f"{e['subjects']:.3g}" if e else ABSENT) for e in entries.values()]
        losses = [Cell(_loss(entries[fraction].get("loss"))) for fraction in lossy]
        cost.append(Row((Cell(method_label(name)), *trained, *losses)))
    who = f"n = {count(summary['n_subjects'], 'complete test subject')}, {count(summary['seeds'], 'seed')}"
    who += f", {summary['folds']} folds" if summary["folds"] > 1 else ""
    method = Column("Method", numeric=False)
    qualities = [Column(shares[f], group) for group in ("PSNR (dB)", "SSIM ×100") for f in fractions]
    costs = [Column(shares[f], "Trained on") for f in fractions] + [Column(shares[f], "PSNR lost (dB)") for f in lossy]
    return [
        Table(
            f"Quality by share of training scans hidden at random: {who}.",
            (method, *qualities),
            tuple(quality),
            (
                "PSNR: inside the brain, SSIM: of slices; means over all pairs of inputs and target. Where a method "
                "could not be trained in every fold, how many subjects stands beside the mean, not to be compared.",
            ),
        ),
        Table(
            "On how many subjects each method was trained (mean over folds; 0: it cannot be), and what it lost against "
            "the complete cohort, paired over subjects, with 95 % intervals.",
            (method, *costs),
            tuple(cost),
        ),
    ]


def _whole(summary: Mapping, entry: Mapping) -> bool:
    """Whether every test subject was scored."""
    return "psnr" in entry and entry["psnr"]["n"] == summary["n_subjects"]


def _mean(summary: Mapping, name: str, fraction: str) -> float | None:
    """The PSNR that is compared."""
    entry = summary["variants"][name].get(fraction, {})
    return entry["psnr"]["mean"] if _whole(summary, entry) else None


def _counted(summary: Mapping, entry: Mapping, measure: str, decimals: int) -> str:
    if measure not in entry:
        return ABSENT
    return number(entry[measure]["mean"], decimals) + ("" if _whole(summary, entry) else f" (n = {entry['psnr']['n']})")


def _loss(loss: Mapping | None) -> str:
    if not loss:
        return ABSENT
    if loss["ci_low"] is None:
        return number(loss["mean"], 2)
    return f"{number(loss['mean'], 2)} [{number(loss['ci_low'], 2)}, {number(loss['ci_high'], 2)}]"


def incomplete_curves(summary: Mapping) -> Figure:
    """PSNR over the share of hidden scans; bars are confidence intervals over subjects."""
    with styled():
        figure = new_figure(3.4)
        axes = figure.add_axes((0.09, 0.14, 0.56, 0.8))
        names = list(summary["variants"])
        colours = dict(zip(names, cycle(METHOD_COLOURS)))  # by order: variants of a method must differ
        for position, name in enumerate(names):
            points = [
                (summary["hidden"][key] * 100, entry["psnr"])
                for key, entry in summary["variants"][name].items()
                if "psnr" in entry
            ]
            if not points:
                continue
            x = np.array([share for share, _ in points]) + 0.4 * (position - len(names) / 2)  # bars beside each other
            mean = np.array([psnr["mean"] for _, psnr in points])
            low, high = (
                [psnr[side] if psnr[side] is not None else psnr["mean"] for _, psnr in points]
                for side in ("ci_low", "ci_high")
            )
            axes.errorbar(
                x, mean, yerr=[mean - low, high - mean], color=colours[name], label=method_label(name),
                marker="o", markersize=3.5, elinewidth=0.8,
                linestyle="--" if summary["methods"][name] in _BASELINES else "-",
            )  # fmt: skip
        axes.set_xlabel("Training scans hidden (%)")
        axes.set_ylabel("PSNR inside the brain (dB)")
        horizontal_grid(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def incomplete_grid(
    example: Mapping[str, np.ndarray], names: Sequence[str], fractions: Sequence[float], target: str
) -> Figure:
    """One imputed slice: rows are methods, columns the share of hidden scans; the truth on top.

    Args:
        example: ``truth`` and ``{name}@{fraction}``, ``[y, x]`` in [0, 1].
        names: Rows; those without any slice are left out.
        fractions: Columns.
        target: The contrast.
    """
    rows = [name for name in names if any(f"{name}@{fraction:g}" in example for fraction in fractions)]
    window = head_window(example["truth"][None])
    truth = example["truth"][window]
    width = PAGE_WIDTH / (len(fractions) + 1)
    cell = width * truth.shape[0] / truth.shape[1]
    top = 0.3
    with styled():
        figure = new_figure(top + cell * max(len(rows), 1), dark=True)
        total = figure.get_figheight()
        for row, name in enumerate(rows):
            for column, fraction in enumerate([None, *fractions]):
                key = "truth" if fraction is None else f"{name}@{fraction:g}"
                if key not in example or (fraction is None and row):
                    continue
                box = (
                    column * width / PAGE_WIDTH,
                    1 - (top + cell * (row + 1)) / total,
                    width / PAGE_WIDTH,
                    cell / total,
                )
                axes = figure.add_axes(box)
                scan(axes, example[key][window])
                if row == 0 or fraction is None:
                    heading = f"{modality_label(target)}, real" if fraction is None else f"{100 * fraction:g} % hidden"
                    column_title(axes, heading)
                if fraction is not None:
                    corner_text(axes, f"{method_label(name)}\n{psnr_text(example[key][window], truth)}")
    return figure


def incomplete_page(summary: Mapping, example: Mapping[str, np.ndarray], target: str, cohort: str) -> str:
    """The verdict, the tables, the curves and the pictures as one self-contained HTML page.

    Args:
        summary: From the pipeline ``incomplete_cohorts``.
        example: Slices; see :func:`incomplete_grid`.
        target: The contrast they show.
        cohort: Kind of the cohort; pages on the phantom are marked.
    """
    grid = incomplete_grid(example, list(summary["variants"]), summary["fractions"], target)
    caption = (
        f"{modality_label(target)} of one test subject made from all its others, after training with ever more "
        "scans hidden; an empty cell: not trained."
    )
    return render_page(
        "ablation.html",
        title="Training on incomplete cohorts",
        cohort=COHORT_NAMES.get(cohort, cohort),
        phantom=cohort == "phantom",
        verdict=incomplete_verdict(summary),
        tables=incomplete_tables(summary),
        pictures=[
            picture(incomplete_curves(summary), "Quality by share of hidden scans; bars: 95 % interval over subjects."),
            picture(grid, caption),
        ],
    )
