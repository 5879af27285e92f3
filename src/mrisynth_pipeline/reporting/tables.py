"""The result tables of a study, built from the summaries of ``metrics``."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

import pandas as pd

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES, TISSUES
from mrisynth_pipeline.metrics.measures import MEASURES, Measure
from mrisynth_pipeline.reporting.style import method_label, modality_label, subset_label
from mrisynth_pipeline.reporting.table import (
    ABSENT,
    PUBLISHED,
    Cell,
    Column,
    Row,
    Table,
    best_of,
    interval,
    number,
    p_value,
)

_PUBLISHED_DICE = {
    "brats": (f"CodeBrain, paper ({PUBLISHED}), T1Gd missing: tumour Dice 0.874 real, 0.062 blank, 0.614 imputed.",)
}


@cache
def _published() -> pd.DataFrame:
    source = resources.files("mrisynth_pipeline.reporting") / "published.csv"
    with source.open(encoding="utf-8") as file:
        return pd.read_csv(file)


def published_results(cohort: str) -> pd.DataFrame:
    """Numbers from the literature (slice protocol) for the same public cohort.

    They were measured on other splits, preprocessing and slices, so they give the order of magnitude only.

    Args:
        cohort: ``ixi`` or ``brats``; any other cohort (the phantom, your own) has none.

    Returns:
        Means over all pairs: columns ``method``, ``slice_psnr``, ``slice_ssim``, ``slice_mae``.
    """
    rows = _published()
    means = rows[(rows["cohort"] == cohort) & rows["inputs"].isna()]
    return means.drop(columns=["cohort", "inputs", "target"]).reset_index(drop=True)


def leaderboard(scores: Mapping, cohort: str = "") -> Table:
    """Every method under both protocols, best first.

    Args:
        scores: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`.
        cohort: Kind of the cohort; published numbers are added where they exist for it.
    """
    columns = [Column("Method", numeric=False)]
    for measure in MEASURES:
        columns.append(Column(measure.label, _protocol(measure)))
        if measure.column == "volume_psnr":
            columns += [Column("SD", _protocol(measure)), Column(_confidence(scores), _protocol(measure))]
    methods = scores["methods"]
    competitors = [name for name, entry in methods.items() if not entry["reference"]]
    competitors.sort(key=lambda name: -methods[name]["overall"]["slice"]["psnr"])
    best = {
        measure.column: dict(
            zip(competitors, _best([_value(methods[n]["overall"], measure) for n in competitors], measure), strict=True)
        )
        for measure in MEASURES
    }
    rows = []
    for name in [*competitors, *(name for name, entry in methods.items() if entry["reference"])]:
        cells = [Cell(method_label(name))]
        for measure in MEASURES:
            value = _value(methods[name]["overall"], measure)
            cells.append(Cell(number(value, measure.decimals), best[measure.column].get(name, False)))
            if measure.column == "volume_psnr":
                entry = methods[name]["overall"]["volume"]["psnr"]
                cells += [Cell(number(entry["sd"], 2)), Cell(interval(entry["ci_low"], entry["ci_high"], 2))]
        rows.append(Row(tuple(cells), "reference" if methods[name]["reference"] else ""))
    published = published_results(cohort)
    for entry in published.itertuples():
        slice_cells = [Cell(number(getattr(entry, m.column), m.decimals)) for m in MEASURES if m.protocol == "slice"]
        blank = [Cell(ABSENT)] * (len(columns) - 1 - len(slice_cells))
        rows.append(Row((Cell(entry.method), *slice_cells, *blank), "published"))
    notes = ["Best value per column among the methods that compete."]
    if len(competitors) < len(methods):
        notes.append("Rows that have seen the truth show the limits of the protocol.")
    if len(published):
        notes.append("Published numbers come from other splits, preprocessing and slices: order of magnitude only.")
    return Table(_counts(scores), tuple(columns), tuple(rows), (" ".join(notes),))


def breakdown(
    scores: Mapping, by: Literal["pair", "n_inputs", "target"], column: str = "slice_psnr", cohort: str = ""
) -> Table:
    """One measure by (inputs → target) pair, by number of inputs, or by target; one column per method.

    Args:
        scores: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`.
        by: What the rows are.
        column: A column of :data:`~mrisynth_pipeline.metrics.measures.MEASURES`.
        cohort: Kind of the cohort; published values by pair are added where they exist for it.
    """
    [measure] = [measure for measure in MEASURES if measure.column == column]
    methods = scores["methods"]
    keys = {"pair": ("inputs", "target"), "n_inputs": ("n_inputs",), "target": ("target",)}[by]
    values: dict[tuple, dict[str, float]] = {}
    for name, entry in methods.items():
        for part in entry[f"by_{by}"]:
            values.setdefault(tuple(part[key] for key in keys), {})[name] = _value(part, measure)
    leads = {"pair": ("Available", "Missing"), "n_inputs": ("Inputs",), "target": ("Missing",)}[by]
    columns = [Column(lead, numeric=False) for lead in leads]
    columns += [Column(method_label(name)) for name in methods]
    published = _published_pairs(cohort, column) if by == "pair" else {}
    if published:
        columns.append(Column(f"CodeBrain, released run ({PUBLISHED})"))
    competitors = [name for name, entry in methods.items() if not entry["reference"]]
    rows = []
    for key, found in sorted(values.items(), key=lambda item: _key_order(item[0])):
        best = dict(zip(competitors, _best([found.get(name) for name in competitors], measure), strict=True))
        cells = [Cell(_key_label(part)) for part in key]
        cells += [Cell(number(found.get(name), measure.decimals), best.get(name, False)) for name in methods]
        if published:
            cells.append(Cell(number(published.get(key), measure.decimals)))
        rows.append(Row(tuple(cells)))
    wording = {
        "pair": "for every pair",
        "n_inputs": "by number of available contrasts",
        "target": "by missing contrast",
    }
    caption = f"{measure.label}, protocol {measure.protocol}, {wording[by]} (n = {_subjects(scores)})."
    return Table(caption, tuple(columns), tuple(rows), ("Best value per row among the methods that compete.",))


def comparisons(scores: Mapping, column: str = "volume_psnr") -> Table:
    """Paired tests between methods on one measure.

    Args:
        scores: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`.
        column: A ``volume`` column of :data:`~mrisynth_pipeline.metrics.measures.MEASURES`.
    """
    [measure] = [measure for measure in MEASURES if measure.column == column]
    entries = [entry for entry in scores["comparisons"] if entry["measure"] == column]
    columns = (
        Column("First", numeric=False),
        Column("Second", numeric=False),
        Column("n"),
        Column(f"Difference, {measure.label}"),
        Column("95 % CI"),
        Column("Effect size"),
        Column("p"),
        Column("p, Holm"),
        Column("Significant", numeric=False),
    )
    rows = tuple(
        Row(
            (
                Cell(method_label(entry["first"])),
                Cell(method_label(entry["second"])),
                Cell(str(entry["n"])),
                Cell(number(entry["mean_difference"], measure.decimals)),
                Cell(interval(entry["ci_low"], entry["ci_high"], measure.decimals)),
                Cell(number(entry["effect_size"], 2)),
                Cell(p_value(entry["p"])),
                Cell(p_value(entry["p_holm"])),
                Cell("yes" if entry["significant"] else "no"),
            )
        )
        for entry in entries
    )
    notes = dict.fromkeys(entry["note"][:1].upper() + entry["note"][1:] + "." for entry in entries if entry["note"])
    method = (
        "Difference: first − second, mean over subjects of each subject's mean over its pairs. Effect size: "
        "rank-biserial correlation, positive where the first is better, ±1 where all subjects agree."
    )
    return Table("Wilcoxon signed-rank tests, paired over test subjects.", columns, rows, (method, *notes))


def segmentation_table(segmentation: Mapping, cohort: str = "") -> Table:
    """Dice, HD95 and share of the gap closed, by missing contrast, method and tumour region.

    Args:
        segmentation: From :func:`~mrisynth_pipeline.metrics.segmentation_statistics.summarise_segmentation`.
        cohort: Kind of the cohort; published numbers are noted where they exist for it.
    """
    regions = segmentation["regions"]
    found = {(row["missing"], row["method"], row["region"]): row for row in segmentation["rows"]}
    columns = [Column("Missing", numeric=False), Column("Replaced by", numeric=False)]
    for region in regions:
        columns += [Column("Dice", region), Column("HD95 (mm)", region), Column("Gap closed", region)]
    lines = dict.fromkeys((missing, method) for missing, method, _ in found)
    order = {name: position for position, name in enumerate(["none", *segmentation["missing"]])}
    rank = {"real": -2, "zero": -1}
    rows = []
    for missing, method in sorted(lines, key=lambda line: (order[line[0]], rank.get(line[1], 0))):
        cells = [Cell("None" if missing == "none" else modality_label(missing)), Cell(method_label(method))]
        for region in regions:
            row = found.get((missing, method, region))
            rivals = [
                other["dice"]["mean"]
                for (contrast, name, part), other in found.items()
                if (contrast, part) == (missing, region) and name not in rank
            ]
            dice = row["dice"]["mean"] if row else None
            best = method not in rank and dice is not None and best_of([dice, *rivals], 3)[0]
            gap = row["gap_closed"] if row else None
            cells += [
                Cell(number(dice, 3), best and len(rivals) > 1),
                Cell(number(row["hd95_mm"]["median"] if row else None, 1)),
                Cell(ABSENT if gap is None else f"{number(100 * gap, 0)} %"),
            ]
        rows.append(Row(tuple(cells), "context" if method in rank else ""))
    undefined = sum(row["hd95_mm"]["n_undefined"] for row in segmentation["rows"])
    note = (
        "Dice: mean over subjects; HD95: median over the subjects where it is defined. "
        "Gap closed: (imputed − blank)/(real − blank), shown where blanking costs at least 0.01 Dice."
    )
    if undefined:
        note += f" {undefined} distances are undefined (region missed or falsely found)."
    what = "Tissue" if set(regions) <= set(TISSUES) else "Tumour"
    caption = f"{what} segmentation with one contrast replaced (n = {segmentation['n_subjects']} test subjects)."
    return Table(caption, tuple(columns), tuple(rows), (note, *_PUBLISHED_DICE.get(cohort, ())))


def _value(entry: Mapping, measure: Measure) -> float | None:
    """A measure of an entry of the summary; the mean over subjects under protocol ``volume``."""
    value = entry[measure.protocol][measure.name]
    return value["mean"] if isinstance(value, Mapping) else value


def _best(values: list[float | None], measure: Measure) -> list[bool]:
    return best_of(values, measure.decimals, higher_is_better=measure.higher_is_better)


def _protocol(measure: Measure) -> str:
    return {"slice": "Slice protocol", "volume": "Volume protocol"}[measure.protocol]


def _confidence(scores: Mapping) -> str:
    return f"{scores['confidence']:.0%} CI".replace("%", " %")


def _subjects(scores: Mapping) -> str:
    count = scores["n_subjects"]
    return f"{count} test subject{'' if count == 1 else 's'}"


def _counts(scores: Mapping) -> str:
    return (
        f"Imputation of missing contrasts: {_subjects(scores)}, {scores['n_slices']} axial slices, "
        f"{scores['n_pairs']} pairs of an available subset and a missing contrast."
    )


def _key_order(key: tuple) -> list:
    """Fewer inputs first, then the channel order of the contrasts."""
    known = list(DISPLAY_NAMES)
    order = []
    for part in key:
        names = part.split("+") if isinstance(part, str) else []
        ranks = [known.index(name) if name in known else len(known) for name in names]
        order.append((len(names), ranks, str(part)))
    return order


def _key_label(key: str | int) -> str:
    return subset_label(key) if isinstance(key, str) else str(key)


def _published_pairs(cohort: str, column: str) -> dict[tuple[str, str], float]:
    """(inputs, target) → published value, where there is one."""
    rows = _published()
    rows = rows[(rows["cohort"] == cohort) & rows["inputs"].notna()]
    rows = rows[rows[column].notna()] if column in rows else rows.iloc[:0]
    return {(row.inputs, row.target): float(getattr(row, column)) for row in rows.itertuples()}
