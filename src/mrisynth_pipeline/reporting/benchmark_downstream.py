"""What the benchmark's imputations do to a segmenter, in words and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from mrisynth_pipeline.metrics.segmentation_statistics import NONE_MISSING, REAL, ZERO, telling_contrast
from mrisynth_pipeline.reporting.style import method_in_sentence, method_label, modality_label
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, interval, number
from mrisynth_pipeline.reporting.variants import count


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
        f"{rows[ZERO]['dice']['mean']:.2f}, best imputed {methods[best]:.2f} ({method_label(best)}"
    )
    gap = rows[best]["gap_closed"]
    sentence += ")" if gap is None else f": {number(100 * gap, 0)} % of the gap closed)"
    leader = summary["leader"]
    if leader in methods and leader != best:
        sentence += f", by the leader {method_in_sentence(leader)} {methods[leader]:.2f}"
    sentences = [f"{sentence}."]
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


def hallucination_table(hallucinations: Mapping[str, Any], region: str = "WT") -> Table | None:
    """False tumour in healthy subjects and lost tumour in patients; ``None`` where neither was measured.

    Args:
        hallucinations: From :func:`~mrisynth_pipeline.metrics.hallucination.summarise_hallucinations`.
        region: The tumour region that is counted.
    """
    found = _by_case(hallucinations, region)
    if not found:
        return None
    columns = (
        *(Column("Missing", numeric=False), Column("Replaced by", numeric=False)),
        *(Column(h, "False tumour in the healthy (mL)") for h in ("Mean", "95 % CI", "Subjects with any")),
        *(Column(h, "Tumour lost in patients (%)") for h in ("Mean", "95 % CI")),
        Column("Mean", "False tumour in them (mL)"),
    )
    order = {name: position for position, name in enumerate(hallucinations["missing"])}
    rows = []
    for missing, method in sorted(found, key=lambda key: (order[key[0]], key[1] != ZERO)):
        well, ill = found[missing, method].get("healthy"), found[missing, method].get("patients")
        cells = [modality_label(missing), method_label(method)]
        false, lost = [ABSENT] * 3, [ABSENT] * 3
        if well:
            own = well["false_ml"]
            false = [number(own["mean"], 2), interval(own["ci_low"], own["ci_high"], 2)]
            false.append(f"{well['n_alarms']} of {own['n']}")
        if ill:
            own = ill["lost"]
            ends = [None if own[end] is None else 100 * own[end] for end in ("ci_low", "ci_high")]
            lost = [_percent(own["mean"]), interval(*ends, 0), number(ill["false_ml"]["mean"], 1)]
        rows.append(Row(tuple(map(Cell, [*cells, *false, *lost])), "context" if method == ZERO else ""))
    return Table(f"{_people(hallucinations)}, {region}.", columns, tuple(rows))


def hallucination_overview(
    hallucinations: Mapping[str, Any], methods: Sequence[str], region: str = "WT"
) -> Table | None:
    """The same at a glance: means of every method by missing contrast, beside those of real and of blank scans.

    Args:
        hallucinations: As above.
        methods: In the order of the rows.
        region: The tumour region that is counted.
    """
    found = _by_case(hallucinations, region)
    if not found:
        return None
    missing = hallucinations["missing"]
    any_healthy = any("healthy" in groups for groups in found.values())
    heads = (["False (mL)"] if any_healthy else []) + ["Lost (%)"]
    columns = [Column("Method", numeric=False)]
    columns += [Column(head, f"{modality_label(contrast)} missing") for contrast in missing for head in heads]
    real: dict[str, dict[str, Any]] = {contrast: {} for contrast in missing}
    for (contrast, _), groups in found.items():
        real[contrast] |= groups  # what real scans give stands in the row of every method
    rows = []
    for name in (REAL, ZERO, *methods):
        cells = [method_label(name)]
        prefix = "real_" if name == REAL else ""
        for contrast in missing:
            groups = real[contrast] if name == REAL else found.get((contrast, name), {})
            well, ill = groups.get("healthy"), groups.get("patients")
            if any_healthy:
                cells.append(number(well[f"{prefix}false_ml"]["mean"] if well else None, 1))
            cells.append(_percent(ill[f"{prefix}lost"]["mean"] if ill else None))
        rows.append(Row(tuple(map(Cell, cells)), "context" if name in (REAL, ZERO) else ""))
    note = (
        "Real: what the segmenter itself invents and misses when no contrast is missing. One that calls half of the "
        "brain a tumour loses none: what is false and what is lost are to be read together."
    )
    return Table(f"{_people(hallucinations)}; {region}, means.", tuple(columns), tuple(rows), (note,))


def _by_case(hallucinations: Mapping[str, Any], region: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(missing contrast, method) → the row of the healthy and that of patients, as far as there are any."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for group in ("healthy", "patients"):
        for row in hallucinations[group]:
            if row["region"] == region:
                found.setdefault((row["missing"], row["method"]), {})[group] = row
    return found


def _people(hallucinations: Mapping[str, Any]) -> str:
    parts = []
    if hallucinations["n_healthy"]:
        parts.append(f"that is not there ({count(hallucinations['n_healthy'], 'healthy subject')})")
    if hallucinations["n_patients"]:
        parts.append(f"that is lost ({count(hallucinations['n_patients'], 'patient')})")
    return "Tumour " + " and tumour ".join(parts)


def _percent(share: float | None) -> str:
    return number(None if share is None else 100 * share, 0)
