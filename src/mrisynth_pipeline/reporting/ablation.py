"""What AGI-Net's parts are worth, for a person: a verdict, tables and curves on a page of their own."""

from collections.abc import Mapping
from statistics import fmean

from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.pictures import picture
from mrisynth_pipeline.reporting.report import COHORT_NAMES
from mrisynth_pipeline.reporting.robustness import cost_table, robustness_curves
from mrisynth_pipeline.reporting.style import method_label
from mrisynth_pipeline.reporting.table import (
    ABSENT,
    Cell,
    Column,
    Row,
    Table,
    best_of,
    interval,
    number,
    p_value,
)
from mrisynth_pipeline.reporting.variants import SEED_NOTE, answer, count, notes_of

PLAIN, FULL = "conv", "cagr"
"""The plain network and AGI-Net among the variants."""

_CURVES = (PLAIN, FULL, "conv_misaligned", "cagr_misaligned")
"""Variants whose robustness is drawn."""


def ablation_verdict(summary: Mapping) -> list[str]:
    """The question that was asked beforehand, answered as it falls: is AGI-Net better than the plain network?

    Args:
        summary: From the pipeline ``aginet_ablation``.
    """
    if not summary["question"]:
        return [f"The variants {PLAIN} and {FULL} were not both trained: there is nothing to compare."]
    [test] = summary["question"]
    weights = summary["parameters"][FULL] / summary["parameters"][PLAIN] - 1
    return [
        *answer(summary, test, "AGI-Net", "the plain network"),
        f"AGI-Net has {number(100 * abs(weights), 1)} % {'more' if weights > 0 else 'fewer'} weights and trains "
        f"{summary['seconds'][FULL] / summary['seconds'][PLAIN]:.1f} times as long per step as the plain network.",
    ]


def ablation_tables(summary: Mapping) -> list[Table]:
    """Variants, cost of misalignment, and what the offsets carry."""
    robustness = summary["robustness"]
    tables = [_variants(summary)]
    tables += [cost_table(robustness, kind) for kind in robustness["kinds"]]
    return tables + ([_offsets(summary["offsets"])] if summary["offsets"] else [])


def ablation_page(summary: Mapping, cohort: str) -> str:
    """The verdict, the tables and the robustness curves as one self-contained HTML page.

    Args:
        summary: From the pipeline ``aginet_ablation``.
        cohort: Kind of the cohort; pages on the phantom are marked.
    """
    robustness = summary["robustness"]
    drawn = [name for name in _CURVES if name in robustness["methods"]] or robustness["methods"]
    shown = robustness | {"methods": drawn}
    caption = "PSNR with one input shifted, the others and the truth in place; bands are confidence intervals."
    return render_page(
        "ablation.html",
        title="AGI-Net, part by part",
        cohort=COHORT_NAMES.get(cohort, cohort),
        phantom=cohort == "phantom",
        verdict=ablation_verdict(summary),
        tables=ablation_tables(summary),
        pictures=[picture(robustness_curves(shown), caption)],
    )


def _variants(summary: Mapping) -> Table:
    """Every variant: size, quality, difference from the plain network."""
    aligned = summary["aligned"]
    tests = {entry["first"]: entry for entry in summary["comparisons"]}
    names = list(aligned["methods"])
    psnr = {name: aligned["methods"][name]["overall"]["volume"]["psnr"] for name in names}
    best = dict(zip(names, best_of([psnr[name]["mean"] for name in names], 2), strict=True))
    rows = []
    for name in names:
        overall, test = aligned["methods"][name]["overall"], tests.get(name)
        rows.append(
            Row(
                (
                    Cell(method_label(name)),
                    Cell(f"{summary['parameters'][name] / 1e6:.2f}"),
                    Cell(f"{summary['seconds'][name]:.0f}"),
                    Cell(number(overall["slice"]["psnr"], 2)),
                    Cell(number(psnr[name]["mean"], 2), best[name]),
                    Cell(interval(psnr[name]["ci_low"], psnr[name]["ci_high"], 2)),
                    Cell(number(summary["seed_sd"][name], 2)),
                    Cell(number(test["mean_difference"], 2) if test else ABSENT),
                    Cell(p_value(test["p_holm"]) if test else ABSENT),
                )
            )
        )
    columns = (
        Column("Variant", numeric=False),
        Column("Weights (million)"),
        Column("Training (s)"),
        Column("Slice PSNR"),
        Column("PSNR", "Volume protocol"),
        Column("95 % CI", "Volume protocol"),
        Column("SD of seeds", "Volume protocol"),
        Column("Gain", "Against plain"),
        Column("p, Holm", "Against plain"),
    )
    folds = f", {summary['folds']} folds" if summary["folds"] > 1 else ""
    caption = (
        f"Every contrast in turn imputed from all others (dB): n = {aligned['n_subjects']} subjects, "
        f"{count(summary['seeds'], 'seed')} per variant{folds}; a subject is averaged over seeds first."
    )
    return Table(caption, columns, tuple(rows), (SEED_NOTE, *notes_of(tests.values())))


def _offsets(entries: list[Mapping]) -> Table:
    """Whether the shift is in the offsets: of the stem, whose groups are the contrasts, and of the best other layer."""
    rows = []
    for name in dict.fromkeys(entry["variant"] for entry in entries):
        own = [entry for entry in entries if entry["variant"] == name]
        stem = [entry for entry in own if entry["layer"] == 0]
        layers = {entry["layer"]: [] for entry in own if entry["layer"]}
        for entry in own:
            if entry["layer"] and entry["r2"] is not None:
                layers[entry["layer"]].append(entry["r2"])
        deep = {layer: fmean(values) for layer, values in layers.items() if values}
        best = max(deep, key=deep.get) if deep else None
        told = [entry["r2"] for entry in stem if entry["r2"] is not None]
        rows.append(
            Row(
                (
                    Cell(method_label(name)),
                    Cell(number(fmean(entry["spread"] for entry in stem), 3)),
                    Cell(number(fmean(entry["own_r"] for entry in stem), 2)),
                    Cell(number(fmean(entry["other_r"] for entry in stem), 2)),
                    Cell(number(fmean(told) if told else None, 2)),
                    Cell(ABSENT if best is None else number(deep[best], 2)),
                    Cell(ABSENT if best is None else str(best)),
                )
            )
        )
    columns = (
        Column("Variant", numeric=False),
        Column("Spread (taps)", "Stem"),
        Column("r, moved contrast", "Stem"),
        Column("r, the others", "Stem"),
        Column("R²", "Stem"),
        Column("R²", "Best other"),
        Column("Layer", "Best other"),
    )
    first = entries[0]
    caption = (
        f"Do learned offsets follow a shift of one input? {first['n_cases']} shifted slices of "
        f"{count(first['n_subjects'], 'held-out subject')} per training, mean over trainings."
    )
    notes = (
        "r: correlation of a group's offset with the imposed shift, along the same axis; 1 would undo it tap by tap, "
        "0 is none. R²: share of the shift's variance that a linear regression on all offsets of the layer tells on "
        "subjects it was not fitted on; 0 or less: the offsets know nothing of it.",
    )
    return Table(caption, columns, tuple(rows), notes)
