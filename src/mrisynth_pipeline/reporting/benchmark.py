"""The benchmark in words and tables."""

from collections.abc import Mapping, Sequence

from mrisynth_pipeline.metrics.comparison import SIGNIFICANCE
from mrisynth_pipeline.metrics.regions import DETAILS
from mrisynth_pipeline.reporting.style import method_in_sentence, method_label, modality_label, subset_label
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, best_of, interval, number, p_relation
from mrisynth_pipeline.reporting.variants import count


def benchmark_verdict(summary: Mapping) -> list[str]:
    """Who leads, by how much, whom the statistics tell apart, and who does not beat the baselines.

    Args:
        summary: From the pipeline ``benchmark``.
    """
    scores, leader = summary["scores"], summary["leader"]
    competitors = [name for name, entry in scores["methods"].items() if not entry["reference"]]
    means = {name: scores["methods"][name]["overall"]["volume"]["psnr"]["mean"] for name in competitors}
    evidence = f"n = {count(scores['n_subjects'], 'test subject')}, {count(summary['seeds'], 'seed')}"
    if summary["folds"] > 1:
        evidence += f", {summary['folds']} folds"
    others = sorted((name for name in competitors if name != leader), key=means.get, reverse=True)
    if not others:
        return [f"{method_label(leader)} alone was measured: {number(means[leader], 2)} dB ({evidence})."]
    second = others[0]
    sentences = [
        f"{method_label(leader)} leads with {number(means[leader], 2)} dB PSNR inside the brain, before "
        f"{method_in_sentence(second)} with {number(means[second], 2)} dB ({evidence})."
    ]
    sentences.append(_told_apart(scores["comparisons"], leader, competitors))
    sentences += _baselines(summary["asked"])
    sentences.append(_seeds(summary, competitors))
    return [sentence for sentence in sentences if sentence]


def _told_apart(comparisons: Sequence[Mapping], leader: str, competitors: Sequence[str]) -> str:
    """Which methods the leader is shown to beat, every pair of methods being one question."""
    found = [e for e in comparisons if e["measure"] == "volume_psnr" and leader in (e["first"], e["second"])]
    beaten = [e["second"] if e["first"] == leader else e["first"] for e in found if e["significant"]]
    if len(beaten) == len(competitors) - 1:
        return "Its lead over each of the others is beyond chance of the subjects (Wilcoxon, Holm over all pairs)."
    if beaten:
        names = ", ".join(method_in_sentence(name) for name in beaten)
        return f"Beyond chance of the subjects (Wilcoxon, Holm over all pairs) is its lead over {names} alone."
    notes = dict.fromkeys(entry["note"] for entry in found if entry["note"])
    why = f": {next(iter(notes))}" if notes else ""
    return f"With all pairs of methods tested and corrected, its lead over none of them is beyond chance{why}."


def _baselines(asked: Sequence[Mapping]) -> list[str]:
    """Does every trained method beat every baseline? In words, as it falls."""
    sentences = []
    for baseline in dict.fromkeys(entry["second"] for entry in asked):
        entries = [entry for entry in asked if entry["second"] == baseline]
        name = method_in_sentence(baseline)
        lost = [entry for entry in entries if entry["mean_difference"] <= 0]
        shown = [entry for entry in entries if entry["mean_difference"] > 0 and entry["p_holm"] <= SIGNIFICANCE]
        if not lost:
            words = f"Every trained method is ahead of {name}"
            nearest = min(entries, key=lambda entry: entry["mean_difference"])
            words += f", the nearest, {method_label(nearest['first'])}, by {number(nearest['mean_difference'], 2)} dB"
            words += _interval(nearest)
        else:
            those = ", ".join(
                f"{method_label(entry['first'])} ({number(entry['mean_difference'], 2)} dB{_interval(entry)})"
                for entry in lost
            )
            words = f"Not ahead of {name}: {those}"
        if len(shown) == len(entries):
            words += "; each difference is beyond chance of the subjects"
        elif shown:
            names = ", ".join(f"{method_label(e['first'])} (p {p_relation(e['p_holm'])})" for e in shown)
            words += f"; shown beyond chance of the subjects for {names}"
        else:
            words += "; no lead over it is shown beyond chance of the subjects"
        sentences.append(f"{words}.")
    return sentences


def _interval(entry: Mapping) -> str:
    if entry.get("ci_low") is None:
        return ""
    return f" [{number(entry['ci_low'], 2)}, {number(entry['ci_high'], 2)}]"


def _seeds(summary: Mapping, competitors: Sequence[str]) -> str:
    """How much chance in training does."""
    if summary["seeds"] < 2:
        return "With one seed it is not known how much chance in training does."
    spread = {name: summary["trainings"][name]["seed_sd"] for name in competitors}
    known = {name: sd for name, sd in spread.items() if sd is not None}
    if not known:
        return ""
    widest = max(known, key=known.get)
    return (
        f"Between seeds a method's mean differs by a standard deviation of up to {number(known[widest], 2)} dB "
        f"({method_label(widest)}; {summary['seeds']} seeds are few)."
    )


def detail_table(summary: Mapping, columns: Sequence[str], caption: str, notes: Sequence[str] = ()) -> Table | None:
    """Some of the detailed measures, one row per method, with 95 % intervals; ``None`` where none was taken.

    Args:
        summary: From the pipeline ``benchmark``.
        columns: Of :data:`~mrisynth_pipeline.metrics.regions.DETAILS`.
        caption: What is seen.
        notes: Below it.
    """
    details = summary["details"]
    measures = [
        DETAILS[name]
        for name in columns
        if any(entry.get(name, {}).get("mean") is not None for entry in details.values())
    ]
    if not measures:
        return None
    methods = summary["scores"]["methods"]
    rivals = [name for name in details if not methods[name]["reference"]]
    best = {
        m.column: dict(
            zip(
                rivals,
                best_of([_mean(details[n], m.column) for n in rivals], m.decimals, higher_is_better=m.higher_is_better),
                strict=True,
            )
        )
        for m in measures
    }
    rows = []
    for name in [*ranked(summary, rivals), *(name for name in details if name not in rivals)]:
        cells = [Cell(method_label(name))]
        for m in measures:
            entry = details[name].get(m.column, {})
            cells.append(Cell(number(entry.get("mean"), m.decimals), best[m.column].get(name, False)))
            cells.append(Cell(interval(entry.get("ci_low"), entry.get("ci_high"), m.decimals)))
        rows.append(Row(tuple(cells), "reference" if name not in rivals else ""))
    headings = [part for m in measures for part in (Column(m.label, m.group), Column("95 % CI", m.group))]
    return Table(caption, (Column("Method", numeric=False), *headings), tuple(rows), tuple(notes))


def _mean(entry: Mapping, column: str) -> float | None:
    return entry.get(column, {}).get("mean")


def ranked(summary: Mapping, names: Sequence[str]) -> list[str]:
    """Best first, as in the leaderboard."""
    methods = summary["scores"]["methods"]
    return sorted(names, key=lambda name: -methods[name]["overall"]["slice"]["psnr"])


def asked_table(asked: Sequence[Mapping]) -> Table | None:
    """Every trained method against every baseline; ``None`` where there is none."""
    if not asked:
        return None
    columns = (
        *(Column("Method", numeric=False), Column("Against", numeric=False), Column("n")),
        *(Column("Difference (dB)"), Column("95 % CI"), Column("Effect size"), Column("p, Holm")),
        Column("Beats it", numeric=False),
    )
    rows = [
        Row(
            (
                Cell(method_label(e["first"])),
                Cell(method_label(e["second"])),
                Cell(str(e["n"])),
                Cell(number(e["mean_difference"], 2)),
                Cell(interval(e["ci_low"], e["ci_high"], 2)),
                Cell(number(e["effect_size"], 2)),
                Cell(p_relation(e["p_holm"]).removeprefix("= ")),
                Cell(_outcome(e)),
            )
        )
        for e in asked
    ]
    notes = dict.fromkeys(e["note"][:1].upper() + e["note"][1:] + "." for e in asked if e["note"])
    caption = "Does it beat the baselines? PSNR inside the brain, paired over test subjects; one family per baseline."
    return Table(caption, columns, tuple(rows), tuple(notes))


def _outcome(entry: Mapping) -> str:
    if entry["mean_difference"] <= 0:
        return "no"
    return "yes" if entry["p_holm"] <= SIGNIFICANCE else "ahead, not shown"


def cost_table(summary: Mapping) -> Table:
    """Weights, multiplications, time and memory of every method."""
    names = ranked(summary, list(summary["trainings"]))
    columns = (
        Column("Method", numeric=False),
        *(Column("Weights (million)"), Column("Seeds"), Column("SD between seeds (dB)")),
        *(Column("Time (min)", "Training"), Column("Memory (MiB)", "Training")),
        *(Column("GMAC", "One volume"), Column("Time (s)", "One volume"), Column("Memory (MiB)", "One volume")),
    )
    rows = []
    for name in names:
        entry = summary["trainings"][name]
        minutes = None if entry["seconds"] is None else entry["seconds"] / 60
        weights = None if entry["parameters"] is None else entry["parameters"] / 1e6
        cells = [
            *(number(weights, 2), str(entry["seeds"]), number(entry["seed_sd"], 2)),
            *(number(minutes, 1), number(entry["training_peak_mb"], 0)),
            *(number(entry["giga_macs"], 1), number(entry["seconds_per_volume"], 2), number(entry["peak_mb"], 0)),
        ]
        rows.append(Row((Cell(method_label(name)), *map(Cell, cells))))
    note = (
        "Means over trainings, on this machine. GMAC: convolutions and matrix products of imputing one volume from all "
        "others. Memory: what is added at most to what the process held before. Time of one volume: mean over the "
        "examination."
    )
    return Table("What the methods cost.", columns, tuple(rows), (note,))


def worst_table(summary: Mapping) -> Table | None:
    """The leader's worst imputations; ``None`` without any."""
    if not summary["worst"]:
        return None
    columns = (
        *(Column(heading, numeric=False) for heading in ("Subject", "Available", "Missing")),
        *(Column("PSNR (dB)"), Column("Usual (dB)")),
        *(Column("Best other (dB)", numeric=False), Column("Most unusual error", numeric=False)),
    )
    rows = [
        Row(
            (
                Cell(case["subject"]),
                Cell(subset_label(case["inputs"])),
                Cell(modality_label(case["target"])),
                Cell(number(case["psnr"], 2)),
                Cell(number(case["usual"], 2)),
                Cell(f"{method_label(case['rival'])}: {number(case['rival_psnr'], 2)}" if case["rival"] else ABSENT),
                Cell(_unusual(case) if case["region"] else ABSENT),
            )
        )
        for case in summary["worst"]
    ]
    caption = (
        f"Where {method_in_sentence(summary['leader'])} fails: its imputations that fall most below what it reaches on "
        "the same pair in other subjects, one for each subject and contrast."
    )
    note = (
        "Usual: its mean on the pair over all subjects. Most unusual error: the region whose error there is the "
        "largest multiple of the usual one."
    )
    return Table(caption, columns, tuple(rows), (note,))


def _unusual(case: Mapping) -> str:
    return f"{DETAILS[case['region'] + '_mae'].group} ×{number(case['excess'], 1)}"


def subject_table(summary: Mapping) -> Table:
    """PSNR of every method on every test subject, the hardest first."""
    names = ranked(summary, [n for n, e in summary["scores"]["methods"].items() if not e["reference"]])
    rows = []
    for subject, found in summary["subjects"].items():
        best = best_of([found.get(name) for name in names], 2)
        cells = [Cell(number(found.get(name), 2), mark) for name, mark in zip(names, best, strict=True)]
        rows.append(Row((Cell(subject), *cells)))
    columns = (Column("Subject", numeric=False), *(Column(method_label(name)) for name in names))
    return Table(
        "PSNR (dB) inside the brain by test subject, mean over its pairs; the hardest first.", columns, tuple(rows)
    )


def failure_sentences(summary: Mapping) -> list[str]:
    """What could not be trained or measured, and why."""
    found = []
    for failure in summary["failures"]:
        why = failure.get("obstacle") or failure.get("error")
        found.append(
            f"{method_label(failure['variant'])}, seed {failure['seed']}, fold {failure['fold']}: not trained ({why})."
        )
    found += [f"No {what}: {why}." for what, why in summary["absent"].items()]
    return found
