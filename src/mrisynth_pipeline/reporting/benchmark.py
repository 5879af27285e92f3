"""The benchmark in words and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from mrisynth_pipeline.metrics.comparison import SIGNIFICANCE
from mrisynth_pipeline.metrics.regions import DETAILS
from mrisynth_pipeline.metrics.segmentation_statistics import NONE_MISSING, REAL, ZERO, telling_contrast
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
    for name in [*_ranked(summary, rivals), *(name for name in details if name not in rivals)]:
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


def _ranked(summary: Mapping, names: Sequence[str]) -> list[str]:
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
    names = _ranked(summary, list(summary["trainings"]))
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
        *(Column("PSNR (dB)"), Column("Usual for the pair (dB)")),
        *(
            Column("Best other", numeric=False),
            Column("Its PSNR (dB)"),
            Column("Where the error is unusual", numeric=False),
        ),
    )
    rows = [
        Row(
            (
                Cell(case["subject"]),
                Cell(subset_label(case["inputs"])),
                Cell(modality_label(case["target"])),
                Cell(number(case["psnr"], 2)),
                Cell(number(case["usual"], 2)),
                Cell(method_label(case["rival"]) if case["rival"] else ABSENT),
                Cell(number(case["rival_psnr"], 2)),
                Cell(f"{case['region']}, {number(case['excess'], 1)} times the usual" if case["region"] else ABSENT),
            )
        )
        for case in summary["worst"]
    ]
    caption = (
        f"Where {method_in_sentence(summary['leader'])} fails: its imputations that fall most below what it reaches on "
        "the same pair in other subjects, one for each subject and contrast."
    )
    return Table(caption, columns, tuple(rows))


def subject_table(summary: Mapping) -> Table:
    """PSNR of every method on every test subject, the hardest first."""
    names = _ranked(summary, [n for n, e in summary["scores"]["methods"].items() if not e["reference"]])
    rows = []
    for subject, found in summary["subjects"].items():
        best = best_of([found.get(name) for name in names], 2)
        cells = [Cell(number(found.get(name), 2), mark) for name, mark in zip(names, best, strict=True)]
        rows.append(Row((Cell(subject), *cells)))
    columns = (Column("Subject", numeric=False), *(Column(method_label(name)) for name in names))
    return Table(
        "PSNR (dB) inside the brain by test subject, mean over its pairs; the hardest first.", columns, tuple(rows)
    )


def hallucination_table(hallucinations: Mapping[str, Any], region: str = "WT") -> Table | None:
    """False tumour in healthy subjects and lost tumour in patients; ``None`` where neither was measured.

    Args:
        hallucinations: From :func:`~mrisynth_pipeline.metrics.hallucination.summarise_hallucinations`.
        region: The tumour region that is counted.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for group in ("healthy", "patients"):
        for row in hallucinations[group]:
            if row["region"] == region:
                found.setdefault((row["missing"], row["method"]), {})[group] = row
    if not found:
        return None
    columns = (
        *(Column("Missing", numeric=False), Column("Replaced by", numeric=False)),
        *(
            Column(h, "False tumour in the healthy (mL)")
            for h in ("Mean", "95 % CI", "On real scans", "Subjects with any")
        ),
        *(Column(h, "Tumour lost in patients (%)") for h in ("Mean", "95 % CI", "On real scans")),
        *(Column(h, "False tumour in them (mL)") for h in ("Mean", "On real scans")),
    )
    order = {name: position for position, name in enumerate(hallucinations["missing"])}
    rows = []
    for missing, method in sorted(found, key=lambda key: (order[key[0]], key[1] != ZERO)):
        well, ill = found[missing, method].get("healthy"), found[missing, method].get("patients")
        cells = [modality_label(missing), method_label(method)]
        false = [ABSENT] * 4
        if well:
            own, real = well["false_ml"], well["real_false_ml"]["mean"]
            false = [number(own["mean"], 2), interval(own["ci_low"], own["ci_high"], 2), number(real, 2)]
            false.append(f"{well['n_alarms']} of {own['n']}")
        lost = [ABSENT] * 5
        if ill:
            own = ill["lost"]
            ends = [None if own[end] is None else 100 * own[end] for end in ("ci_low", "ci_high")]
            lost = [_percent(own["mean"]), interval(*ends, 0), _percent(ill["real_lost"]["mean"])]
            lost += [number(ill[name]["mean"], 1) for name in ("false_ml", "real_false_ml")]
        rows.append(Row(tuple(map(Cell, [*cells, *false, *lost])), "context" if method == ZERO else ""))
    caption = (
        f"Tumour that is not there ({hallucinations['n_healthy']} healthy subjects) and tumour that is lost "
        f"({hallucinations['n_patients']} patients), whole tumour."
    )
    note = (
        "On real scans: what the segmenter itself invents and misses when no contrast is missing. One that calls half "
        "of the brain a tumour loses none: what is lost and what is false are to be read together."
    )
    return Table(caption, columns, tuple(rows), (note,))


def _percent(share: float | None) -> str:
    return number(None if share is None else 100 * share, 0)


def downstream_verdict(summary: Mapping) -> list[str]:
    """What the imputations save of the tumour (or of the tissues), and what they invent, in two sentences at most."""
    found = summary["downstream"]["segmenter"]
    segmentation = found["segmentation"]
    region = "TC" if "TC" in segmentation["regions"] else segmentation["regions"][0]
    missing = telling_contrast(segmentation, region)
    rows = {
        row["method"]: row
        for row in segmentation["rows"]
        if row["region"] == region and row["missing"] in (missing, NONE_MISSING)
    }
    methods = {name: row["dice"]["mean"] for name, row in rows.items() if name not in (REAL, ZERO)}
    if not methods or REAL not in rows or ZERO not in rows:
        return []
    best = max(methods, key=methods.get)
    sentence = (
        f"{region} Dice with {modality_label(missing)} missing: real {rows[REAL]['dice']['mean']:.2f}, blank "
        f"{rows[ZERO]['dice']['mean']:.2f}, best imputed {methods[best]:.2f} ({method_label(best)})"
    )
    leader = summary["leader"]
    if leader in methods and leader != best:
        sentence += f", by the leader {method_in_sentence(leader)} {methods[leader]:.2f}"
    gap = rows[best]["gap_closed"]
    sentences = [sentence + (f": {number(100 * gap, 0)} % of the gap closed." if gap is not None else ".")]
    invented = {
        row["method"]: row
        for row in (found["hallucinations"] or {"healthy": []})["healthy"]
        if row["missing"] == missing and row["region"] == region and row["method"] in methods
    }
    if invented:
        most = max(invented, key=lambda name: invented[name]["false_ml"]["mean"])
        least = min(invented, key=lambda name: invented[name]["false_ml"]["mean"])
        own = invented[least]["real_false_ml"]["mean"]
        sentences.append(
            f"In healthy subjects the segmenter finds, with {modality_label(missing)} imputed, from "
            f"{number(invented[least]['false_ml']['mean'], 1)} mL ({method_label(least)}) to "
            f"{number(invented[most]['false_ml']['mean'], 1)} mL ({method_label(most)}) of {region} that is not there, "
            f"with real scans {number(own, 1)} mL."
        )
    return sentences


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
