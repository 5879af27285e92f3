"""How sure a generative method is, for a person: sentences that claim no more than was shown, and tables."""

from collections.abc import Mapping, Sequence

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.metrics.latent import ONE_TO_ALL, PLACED, POOLED, SUBSETS
from mrisynth_pipeline.reporting.style import method_label, modality_label
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, best_of, interval, number

_NORMAL = 0.798  # mean absolute error of a normal distribution of standard deviation 1
_NUMBERS = ("no", "one", "two", "three", "four", "five")
_CODES = {PLACED: "Place by place", POOLED: "Mean over the brain"}
_COMPARED = {
    ONE_TO_ALL: "One contrast and all contrasts",
    SUBSETS: "Any two sets of inputs; other subjects: the same set",
}


def section_title(methods: Sequence[str]) -> str:
    """``How sure MMHVAE is``; of none ``How sure the imputations are``."""
    if not methods:
        return "How sure the imputations are"
    names = [method_label(name) for name in methods]
    return f"How sure {' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def doubt_verdict(summary: Mapping) -> list[str]:
    """Whether the standard deviation knows where the errors are, how large it is, and whether inputs reduce it.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.uncertainty_statistics.summarise_uncertainty`.
    """
    overall = summary["overall"]
    if summary["n_constant"] == summary["n_scans"]:
        return ["The standard deviation is the same everywhere: it says nothing about where errors lie."]
    lowered = summary["lowered"]["10"]
    best = next(1 - entry["oracle"]["mean"] for entry in summary["curve"] if entry["share"] == 0.1)
    headline = {
        "orders": "The standard deviation orders the errors",
        "inverts": "The standard deviation points the wrong way",
        "open": "It is not shown that the standard deviation orders the errors",
    }[summary["finding"]]
    change = "lowers the mean error by" if lowered["mean"] >= 0 else "raises the mean error by"
    first = (
        f"{headline}: over the voxels of the brain the mean Spearman correlation is "
        f"{_with_interval(overall['spearman'], 2)}, and setting aside the 10 % most uncertain voxels {change} "
        f"{number(100 * abs(lowered['mean']), 1)} % (the 10 % most wrong ones: {number(100 * best, 1)} %; "
        f"n = {_subjects(summary)}, {summary['n_samples']} draws at temperature {summary['temperature']:g})."
    )
    return [first, _scale(overall), _steps(summary), _scans(summary)]


def _scale(overall: Mapping) -> str:
    """Whether the errors are as large as the standard deviation says."""
    error, deviation = overall["error"]["mean"], overall["deviation"]["mean"]
    expected = _NORMAL * deviation
    sizes = f"Errors are {number(1000 * error, 1)} thousandths of the intensity range on average"
    if not expected:
        return f"{sizes}, the standard deviation is 0."
    verdict = "about as large as"
    if error / expected > 1.25:
        verdict = f"{number(error / expected, 1)} times as large as"
    elif error / expected < 0.8:
        verdict = f"{number(100 * error / expected, 0)} % of"
    spoken = "so it believes too much in itself" if error / expected > 1.25 else ""
    spoken = "so it doubts too much" if error / expected < 0.8 else spoken
    return (
        f"{sizes}, {verdict} those of a normal distribution with its standard deviation "
        f"({number(1000 * deviation, 1)} thousandths){', ' + spoken if spoken else ''}."
    )


def _steps(summary: Mapping) -> str:
    """Whether the standard deviation falls as inputs are added, step by step."""
    sizes = ", ".join(
        f"{number(1000 * entry['deviation']['mean'], 1)} with {_NUMBERS[entry['n_inputs']]}"
        for entry in summary["by_n_inputs"]
    )
    steps = summary["steps"]
    if not steps:
        return f"Standard deviation (thousandths): {sizes}; nothing can be said of further inputs."
    not_falling = [step for step in steps if step["finding"] != "falls"]
    if not not_falling:
        return f"With every further input the standard deviation falls: {sizes} (thousandths)."
    words = {"rises": "rises", "open": "is not shown to fall"}
    told = " and ".join(
        f"{words[step['finding']]} from {_NUMBERS[step['fewer']]} to {_NUMBERS[step['more']]} inputs"
        for step in not_falling
    )
    return f"The standard deviation {told}: {sizes} (thousandths)."


def _scans(summary: Mapping) -> str:
    """Whether whole scans of larger standard deviation are worse."""
    everything, same = summary["across_scans"]["all"]["spearman"], summary["across_scans"]["same_pair"]["pearson"]
    if everything["value"] is None:
        return "Whole scans cannot be compared: there are too few."
    sentence = (
        f"Over the {summary['n_scans']} imputed scans mean standard deviation and mean error correlate with "
        f"{_correlation(everything)} (Spearman)"
    )
    if same["value"] is None:
        return f"{sentence}."
    return (
        f"{sentence}; among subjects with the same inputs and missing contrast, where only the subject makes the "
        f"difference, with {_correlation(same)} (Pearson)."
    )


def temperature_verdict(summary: Mapping) -> str:
    """At which temperature the mean of the draws, and a draw alone, are best.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.uncertainty_statistics.summarise_temperatures`.
    """
    best, hottest = summary["best"], summary["cost"][-1]
    psnr = {
        kind: next(e[kind]["mean"] for e in summary["temperatures"] if e["temperature"] == best[kind]) for kind in best
    }
    return (
        f"The mean of {summary['n_samples']} draws is best at temperature {best['mean_psnr']:g} "
        f"({number(psnr['mean_psnr'], 2)} dB inside the brain), a draw alone at {best['single_psnr']:g} "
        f"({number(psnr['single_psnr'], 2)} dB); at {hottest['temperature']:g} they lose "
        f"{_with_interval(hottest['mean_psnr'], 2)} and {_with_interval(hottest['single_psnr'], 2)} dB "
        f"(n = {_subjects(summary)})."
    )


def latent_verdict(summary: Mapping) -> str:
    """Whether the finest latent follows the subject rather than the contrasts it was inferred from.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.latent.summarise_latent`.
    """
    placed, pooled = (summary["codes"][code] for code in (PLACED, POOLED))
    entry, nearest = placed[ONE_TO_ALL], placed["nearest"]
    if entry["between"]["mean"] is None:
        return "Whether the latents follow the subject stays open: there is one complete subject alone."
    told = "what one contrast tells lies {} what all contrasts of the same subject tell than {} those of other subjects"
    keeps = "follow the subject" if placed[SUBSETS]["finding"] == "closer" else "keep the subject, but the inputs too"
    headline = {
        "closer": f"The latents {keeps}: {told.format('closer to', 'to')}",
        "farther": f"The latents do not follow the subject: {told.format('farther from', 'from')}",
        "open": "It is not shown that the latents follow the subject",
    }[entry["finding"]]
    same_inputs = {
        "closer": "Any two sets of inputs of one subject lie closer together than two subjects with the same inputs",
        "farther": "Two subjects with the same inputs lie closer together than two sets of inputs of one subject",
        "open": "Two sets of inputs of one subject lie about as far apart as two subjects with the same inputs",
    }[placed[SUBSETS]["finding"]]
    without_place = {
        "closer": "the own subject is closer there too",
        "farther": "the own subject is farther there",
        "open": "no difference is shown there",
    }[pooled[ONE_TO_ALL]["finding"]]
    return (
        f"{headline} (distance {number(entry['within']['mean'], 3)} against {number(entry['between']['mean'], 3)}, "
        f"n = {_subjects(summary)}). Of all subjects the own one is the nearest in {_percent(nearest['mean'])} of "
        f"cases; chance is {_percent(nearest['chance'])}. {same_inputs}. These compare place by place; of the means "
        f"over the brain, which know of no place, {without_place}."
    )


def doubt_table(summaries: Mapping[str, Mapping]) -> Table:
    """Error, standard deviation and their correlation by number of inputs and by missing contrast.

    Args:
        summaries: Method → from ``summarise_uncertainty``.
    """
    rows = []
    for method, summary in summaries.items():
        parts = [(f"{part['n_inputs']} available", part) for part in summary["by_n_inputs"]]
        targets = sorted(summary["by_target"], key=lambda part: _channel(part["target"]))
        parts += [(f"{modality_label(part['target'])} missing", part) for part in targets]
        for name, part in [*parts, ("All", summary["overall"])]:
            texts = [method_label(method) if not rows or rows[-1][0] != method else "", name]
            texts += [_scaled(part[key], 1000, 1) for key in ("error", "deviation")]
            rows.append((method, [*texts, _with_interval(part["spearman"], 2)]))
    columns = (
        Column("Method", numeric=False),
        Column("Contrasts", numeric=False),
        Column("Error ×1000"),
        Column("Standard deviation ×1000"),
        Column("Correlation"),
    )
    note = (
        "Means inside the brain; in brackets the confidence interval over subjects. Correlation: Spearman's of error "
        "and standard deviation over the voxels of a scan, mean over scans."
    )
    caption = f"Error of the mean of the draws, and their standard deviation ({_all_subjects(summaries)})."
    return Table(caption, columns, tuple(_row(texts) for _, texts in rows), (note,))


def sparsification_table(summaries: Mapping[str, Mapping]) -> Table:
    """Error left when the most uncertain voxels are set aside, by the method, the oracle and at random.

    Args:
        summaries: Method → from ``summarise_uncertainty``.
    """
    shares = [0.05, 0.1, 0.2, 0.5]
    rows = []
    for method, summary in summaries.items():
        curve = {entry["share"]: entry for entry in summary["curve"]}
        for name, kind in ((method_label(method), "method"), ("The errors themselves (oracle)", "oracle")):
            texts = [name, *(_scaled(curve[share][kind], 100, 1) for share in shares)]
            ause = _with_interval(summary["overall"]["ause"], 2) if kind == "method" else number(0.0, 2)
            rows.append(Row(_row([*texts, ause]).cells, "" if kind == "method" else "context"))
    rows.append(Row(_row(["At random", *(number(100.0, 1) for _ in shares), number(1.0, 2)]).cells, "context"))
    columns = (
        Column("Ordered by", numeric=False),
        *(Column(f"{100 * share:.0f} %", "Error left (%) without the most uncertain") for share in shares),
        Column("Area to the oracle"),
    )
    note = (
        "Area between the curve and that of the oracle, over the same of a random order: 0 is perfect, 1 as good as "
        "chance. In brackets the confidence interval over subjects."
    )
    caption = f"What setting the most uncertain voxels aside leaves of the error ({_all_subjects(summaries)})."
    return Table(caption, columns, tuple(rows), (note,))


def temperature_table(summaries: Mapping[str, Mapping]) -> Table:
    """PSNR of the mean of the draws and of a draw alone, and the standard deviation, at every temperature.

    Args:
        summaries: Method → from ``summarise_temperatures``.
    """
    rows = []
    for method, summary in summaries.items():
        entries = summary["temperatures"]
        best = {k: best_of([e[k]["mean"] for e in entries], 2) for k in ("mean_psnr", "single_psnr")}
        for position, entry in enumerate(entries):
            cells = [Cell(method_label(method) if position == 0 else ""), Cell(f"{entry['temperature']:g}")]
            cells += [Cell(_with_interval(entry[kind], 2), marks[position]) for kind, marks in best.items()]
            rows.append(Row((*cells, Cell(_scaled(entry["deviation"], 1000, 1)))))
    columns = (
        Column("Method", numeric=False),
        Column("Temperature"),
        Column("of the mean of the draws", "PSNR (dB)"),
        Column("of a draw alone", "PSNR (dB)"),
        Column("Standard deviation ×1000"),
    )
    note = "Inside the brain. A draw alone: from the mean squared error over all draws. In brackets as above."
    return Table(f"Quality against temperature ({_all_subjects(summaries)}).", columns, tuple(rows), (note,))


def latent_table(summaries: Mapping[str, Mapping]) -> Table:
    """Distances of latents within and between subjects.

    Args:
        summaries: Method → from ``summarise_latent``.
    """
    words = {"closer": "own closer", "farther": "own farther", "open": "open"}
    rows = []
    for method, summary in summaries.items():
        for code, entry in summary["codes"].items():
            for kind, label in _COMPARED.items():
                first = kind == ONE_TO_ALL
                texts = [method_label(method) if not rows else "", _CODES[code] if first else "", label]
                texts += [_with_interval(entry[kind][part], 3) for part in ("within", "between", "exceeds")]
                nearest = _percent(entry["nearest"]["mean"]) if first else ""
                rows.append(_row([*texts, words[entry[kind]["finding"]], nearest]))
    columns = (
        Column("Method", numeric=False),
        Column("Compared", numeric=False),
        Column("Latents of", numeric=False),
        Column("same subject", "Distance"),
        Column("other subjects", "Distance"),
        Column("difference", "Distance"),
        Column("Finding", numeric=False),
        Column("Own subject nearest"),
    )
    note = (
        "Root of the mean squared difference of the means of the finest latent, in its units, on the slice with the "
        "most brain, at the pixels that all brains share. In brackets the confidence interval over subjects."
    )
    caption = f"How far latents lie apart ({_all_subjects(summaries)})."
    return Table(caption, columns, tuple(rows), (note,))


def _channel(modality: str) -> int:
    """Place of a contrast in the order of the project."""
    known = list(DISPLAY_NAMES)
    return known.index(modality) if modality in known else len(known)


def _row(texts: Sequence[str]) -> Row:
    return Row(tuple(Cell(text) for text in texts))


def _scaled(entry: Mapping, factor: float, decimals: int) -> str:
    """A statistic in another unit, with its interval."""
    scaled = {key: None if entry[key] is None else factor * entry[key] for key in ("mean", "ci_low", "ci_high")}
    return _with_interval(scaled, decimals)


def _with_interval(entry: Mapping, decimals: int) -> str:
    """``0.41 [0.30 to 0.52]``."""
    mean = number(entry["mean"], decimals)
    return mean if entry["ci_low"] is None else f"{mean} [{interval(entry['ci_low'], entry['ci_high'], decimals)}]"


def _correlation(entry: Mapping) -> str:
    return _with_interval(entry | {"mean": entry["value"]}, 2)


def _percent(share: float | None) -> str:
    return ABSENT if share is None else f"{number(100 * share, 0)} %"


def _subjects(summary: Mapping) -> str:
    count = summary["n_subjects"]
    return f"{count} subject{'' if count == 1 else 's'}"


def _all_subjects(summaries: Mapping[str, Mapping]) -> str:
    """How many subjects, of each method where they differ."""
    counts = {_subjects(summary) for summary in summaries.values()}
    if len(counts) == 1:
        return counts.pop()
    return ", ".join(f"{method_label(method)} {_subjects(summary)}" for method, summary in summaries.items())
