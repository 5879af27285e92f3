"""Whether NeuroQuant's codes are anatomical, for a person: a verdict that claims no more than was shown, and tables."""

from collections.abc import Mapping

from mrisynth_pipeline.metrics.anatomy import DIFFERENT, SAME, WITHIN
from mrisynth_pipeline.metrics.reconstruction import BRAIN, COPY, OTHER, OWN, VOLUME
from mrisynth_pipeline.reporting.style import modality_label
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, interval, number

_PROBES = {"token": "One code of the brain", "image": "All codes of an image"}
_PAIRS = {
    WITHIN: "Modalities of one subject",
    SAME: "Different subjects, same modality",
    DIFFERENT: "Different subjects and modalities",
}
_REGIONS = {VOLUME: "Whole volume", BRAIN: "Brain"}


def anatomy_verdict(summary: Mapping) -> list[str]:
    """Whether the codes may be called anatomical, and the numbers that say so.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.anatomy.summarise_anatomy`.
    """
    token, image = summary["probe"]["token"], summary["probe"]["image"]
    agreement = {kind: entry["observed"]["mean"] for kind, entry in summary["agreement"].items()}
    findings = {token["finding"], image["finding"]}
    if summary["anatomical"]:
        headline = "The codes are anatomical: they hardly tell the modality, and they follow the subject"
    elif "told" in findings:
        headline = "The codes cannot be called anatomical: they tell the modality"
    elif "open" in findings or any(entry["ci_low"] is None for entry in summary["exceeds"].values()):
        headline = "Whether the codes are anatomical stays open: there are too few subjects to say"
    else:
        headline = "The codes cannot be called anatomical: it is not shown that they follow the subject"
    probes = (
        f"A linear probe names the modality from one code in {_percent(token['mean'])} of cases and from all codes of "
        f"an image in {_percent(image['mean'])}; chance is {_percent(token['chance'])}."
    )
    agree = (
        f"Two modalities of one subject have the same code at {_percent(agreement[WITHIN])} of the brain's positions, "
        f"two subjects in the same modality at {_percent(agreement[SAME])}, in different ones at "
        f"{_percent(agreement[DIFFERENT])}."
    )
    return [f"{headline} (n = {_subjects(summary)}).", probes, agree]


def swap_verdict(summary: Mapping) -> str:
    """What is gained by decoding another modality's anatomy in the style of the wanted one.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.reconstruction.summarise_swaps`.
    """
    if "swap" not in summary["overall"]:
        return "No subject has two modalities: nothing could be exchanged."
    psnr = {kind: entry[BRAIN]["mean"] for kind, entry in summary["overall"].items()}
    gain, loss = summary["gain"][BRAIN], summary["loss"][BRAIN]["mean"]
    if gain["ci_low"] is not None and gain["ci_low"] > 0:
        verdict = f"better by {number(gain['mean'], 2)} dB than"
    elif gain["ci_high"] is not None and gain["ci_high"] < 0:
        verdict = f"worse by {number(-gain['mean'], 2)} dB than"
    else:
        verdict = f"not shown to be better (by {number(gain['mean'], 2)} dB) than"
    return (
        f"The anatomy of one modality in the style of another meets that one with {number(psnr['swap'], 2)} dB inside "
        f"the brain, {verdict} taking the one for the other as it is, and {number(abs(loss), 2)} dB "
        f"{'below' if loss >= 0 else 'above'} its own reconstruction (n = {_subjects(summary)})."
    )


def probe_table(summary: Mapping) -> Table:
    """Accuracy of the linear probes beside chance.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.anatomy.summarise_anatomy`.
    """
    words = {"near": "near chance", "told": "tells the modality", "open": "open"}
    rows = []
    for name, label in _PROBES.items():
        entry = summary["probe"][name]
        above = entry["finding"] == "near" and entry["ci_low"] > entry["chance"]
        finding = "little above chance" if above else words[entry["finding"]]
        texts = [label, _number(entry, 100, 1), number(100 * entry["chance"], 1), finding]
        rows.append(Row(tuple(Cell(text) for text in texts)))
    columns = (
        Column("Probe sees", numeric=False),
        Column("Modality named (%)"),
        Column("Chance (%)"),
        Column("Finding", numeric=False),
    )
    caption = f"What codes of the brain tell of the modality ({_subjects(summary)}, each tested on a probe of others)."
    note = (
        "Logistic regression on one code, or on how often each code occurs in an image; in brackets the confidence "
        "interval over subjects. Near chance: its upper end is at most a tenth of the way from chance to certainty; "
        "little above chance: so too, but its lower end lies above chance."
    )
    return Table(caption, columns, tuple(rows), (note,))


def agreement_table(summary: Mapping) -> Table:
    """Share of equal codes within and between subjects, beside what chance would give.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.anatomy.summarise_anatomy`.
    """
    rows = []
    for kind, label in _PAIRS.items():
        entry, less = summary["agreement"][kind], summary["exceeds"].get(kind)
        texts = [label, _number(entry["observed"], 100, 1), number(_times(entry["expected"]["mean"], 100), 1)]
        texts.append(_number(less, 100, 1) if less else "")
        rows.append(Row(tuple(Cell(text) for text in texts)))
    columns = (
        Column("Pair of images", numeric=False),
        Column("Same code (%)"),
        Column("By chance (%)"),
        Column("Less than within one subject by (points)"),
    )
    note = (
        "Positions that lie in both brains. By chance: as often as the histograms of the two images say. In brackets "
        "the confidence interval over subjects."
    )
    return Table(f"Where images have the same code ({_subjects(summary)}).", columns, tuple(rows), (note,))


def swap_table(summary: Mapping, region: str = BRAIN) -> Table:
    """PSNR of every anatomy (row) in every contrast (columns), and of the extremes between which it lies.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.reconstruction.summarise_swaps`.
        region: ``brain`` or ``volume``.
    """
    names = summary["modalities"]
    found = {(pair["anatomy"], pair["contrast"], pair["style"]): pair[region]["mean"] for pair in summary["pairs"]}
    styles = {
        OWN: "Style of the same subject",
        OTHER: "Style of another subject",
        COPY: "No network: the image of that anatomy as it is",
    }
    rows = []
    for style, label in styles.items():
        if not any(pair["style"] == style for pair in summary["pairs"]):
            continue
        for position, anatomy in enumerate(names):
            cells = [Cell(label if position == 0 else ""), Cell(modality_label(anatomy))]
            cells += [Cell(number(found.get((anatomy, contrast, style)), 2)) for contrast in names]
            rows.append(Row(tuple(cells), "context" if style == COPY else ""))
    columns = [Column("", numeric=False), Column("Anatomy of", numeric=False)]
    columns += [Column(modality_label(contrast), "Contrast to") for contrast in names]
    caption = f"PSNR (dB), {_REGIONS[region].lower()}, of exchanged contrasts ({_subjects(summary)})."
    note = "Against the subject's own image of that contrast. Where anatomy and contrast are the same in the same "
    note += "subject's style, it is the reconstruction."
    return Table(caption, tuple(columns), tuple(rows), (note,))


def _percent(share: float | None) -> str:
    return ABSENT if share is None else f"{number(100 * share, 1)} %"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _number(entry: Mapping, factor: float, decimals: int) -> str:
    """``41.2 [30.1 to 52.0]``."""
    mean = number(_times(entry["mean"], factor), decimals)
    if entry["ci_low"] is None:
        return mean
    return f"{mean} [{interval(factor * entry['ci_low'], factor * entry['ci_high'], decimals)}]"


def _subjects(summary: Mapping) -> str:
    count = summary["n_subjects"]
    return f"{count} subject{'' if count == 1 else 's'}"
