"""What NeuroQuant's autoencoder is worth, for a person: a verdict, tables and the trainings on a page of their own."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from mrisynth_pipeline.metrics.reconstruction import BRAIN, VOLUME
from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.pictures import picture
from mrisynth_pipeline.reporting.reconstruction import reconstruction_table
from mrisynth_pipeline.reporting.report import COHORT_NAMES
from mrisynth_pipeline.reporting.style import method_label, new_figure, styled
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, best_of, interval, number, p_value
from mrisynth_pipeline.reporting.variants import SEED_NOTE, answer, count, draw_trainings, notes_of

JOINT, PEER, VOLUMES, CEILING = "joint", "monai_vqvae", "volumes_only", "continuous"
"""NeuroQuant as it is, MONAI's VQ-VAE, NeuroQuant without slices, and without quantisation, among the variants."""

HALF = 0.5
"""Share of the codebook of which more is to be in use after every training."""


def comparison_verdict(summary: Mapping) -> list[str]:
    """Is NeuroQuant's autoencoder better than MONAI's, do slices cost it anything, and what does quantisation cost?

    The first was asked beforehand; the others are judged by p-values corrected for all comparisons made. Each is
    answered as it falls.

    Args:
        summary: From the pipeline ``neuroquant_ablation``.
    """
    sentences = [f"The variants {JOINT} and {PEER} were not both trained: there is nothing to compare with the peer."]
    if summary["question"]:
        [test] = summary["question"]
        psnr = {name: number(_brain(summary, name)["mean"], 2) for name in (JOINT, PEER)}
        sentences = [
            *answer(summary, test, "NeuroQuant's autoencoder", "MONAI's VQ-VAE"),
            f"They give the brain back with {psnr[JOINT]} and {psnr[PEER]} dB, by {_million(summary, JOINT)} and "
            f"{_million(summary, PEER)} million weights.",
        ]
    tests = {entry["first"]: entry for entry in summary["comparisons"]}
    for name, words, other in (
        (VOLUMES, "training on volumes alone", "training on volumes and slices"),
        (CEILING, "continuous anatomy, the ceiling,", "quantised anatomy"),
    ):
        if name in tests:
            sentences += answer(summary, tests[name], words, other, corrected=True)
    sentences += [_use(name, summary["codes"][name]) for name in (JOINT, PEER) if name in summary["codes"]]
    return list(dict.fromkeys(sentences))


def _use(name: str, trainings: list[Mapping]) -> str:
    """How much of a codebook is in use, in the worst training too."""
    shares = [entry["usage"] for entry in trainings]
    low, high = number(100 * min(shares), 0), number(100 * max(shares), 0)
    used = f"{low} %" if low == high else f"{low} to {high} %"
    failed = sum(share <= HALF for share in shares)
    outcome = f"more than half in {'each of ' if len(shares) > 1 else ''}{count(len(shares), 'training')}"
    if failed:
        outcome = f"half or less in {failed} of {count(len(shares), 'training')}"
    perplexity = number(min(entry["perplexity"] for entry in trainings), 0)
    return (
        f"Of the {trainings[0]['codebook_size']} codes of {method_label(name)} {used} are in use on the test subjects, "
        f"{outcome} (least perplexity {perplexity})."
    )


def comparison_tables(summary: Mapping) -> list[Table]:
    """Quality of every variant, then size and use of the codebook."""
    return [_quality(summary), _codes(summary)]


def comparison_page(summary: Mapping, cohort: str) -> str:
    """The verdict, the tables and the trainings as one self-contained HTML page.

    Args:
        summary: From the pipeline ``neuroquant_ablation``.
        cohort: Kind of the cohort; pages on the phantom are marked.
    """
    caption = "PSNR inside the brain: mean of each training, and the mean over subjects with its confidence interval."
    return render_page(
        "ablation.html",
        title="NeuroQuant's autoencoder and its peer",
        cohort=COHORT_NAMES.get(cohort, cohort),
        phantom=cohort == "phantom",
        verdict=comparison_verdict(summary),
        tables=[*comparison_tables(summary), reconstruction_table(summary["reconstruction"])],
        pictures=[picture(trainings_chart(summary), caption)],
    )


def trainings_chart(summary: Mapping) -> Figure:
    """Every variant's trainings as rings, their mean with its interval over subjects beside."""
    names = list(summary["seed_means"])
    with styled():
        figure = new_figure(0.7 + 0.3 * len(names))
        figure.set_layout_engine("constrained")
        psnr = {name: _brain(summary, name) for name in names}
        draw_trainings(figure.add_subplot(), psnr, summary["seed_means"], JOINT)
    return figure


def _quality(summary: Mapping) -> Table:
    """PSNR and SSIM of every variant, and its difference from NeuroQuant as it is."""
    found, tests = summary["reconstruction"]["methods"], {entry["first"]: entry for entry in summary["comparisons"]}
    names = list(found)
    best = dict(zip(names, best_of([_brain(summary, name)["mean"] for name in names], 2), strict=True))
    rows = []
    for name in names:
        psnr, overall, test = _brain(summary, name), found[name]["overall"], tests.get(name)
        rows.append(
            Row(
                (
                    Cell(method_label(name)),
                    Cell(number(psnr["mean"], 2), best[name]),
                    Cell(interval(psnr["ci_low"], psnr["ci_high"], 2)),
                    Cell(number(summary["seed_sd"][name], 2)),
                    Cell(number(overall[BRAIN]["ssim"]["mean"], 1)),
                    Cell(number(overall[VOLUME]["psnr"]["mean"], 2)),
                    Cell(number(overall[VOLUME]["ssim"]["mean"], 1)),
                    Cell(number(test["mean_difference"], 2) if test else ABSENT),
                    Cell(p_value(test["p_holm"]) if test else ABSENT),
                )
            )
        )
    columns = (
        Column("Variant", numeric=False),
        Column("PSNR", "Brain"),
        Column("95 % CI", "Brain"),
        Column("SD of seeds", "Brain"),
        Column("SSIM ×100", "Brain"),
        Column("PSNR", "Volume"),
        Column("SSIM ×100", "Volume"),
        Column("Gain", "Against NeuroQuant"),
        Column("p, Holm", "Against NeuroQuant"),
    )
    folds = f", {summary['folds']} folds" if summary["folds"] > 1 else ""
    caption = (
        "Every scan through its own codes (PSNR in dB): "
        f"n = {count(summary['reconstruction']['n_subjects'], 'subject')}, "
        f"{count(summary['seeds'], 'seed')} per variant{folds}; a subject is averaged over seeds, then over contrasts."
    )
    coverage = [f"{warning}." for warning in summary["reconstruction"]["warnings"]]
    return Table(caption, columns, tuple(rows), (SEED_NOTE, *notes_of(tests.values()), *coverage))


def _codes(summary: Mapping) -> Table:
    """Size, time and the codebook's use in every training: a mean would hide one that collapsed."""
    rows = []
    for name in summary["reconstruction"]["methods"]:
        trainings = summary["codes"].get(name)
        cells = [ABSENT] * 4
        if trainings:
            usage, perplexity = ([entry[key] for entry in trainings] for key in ("usage", "perplexity"))
            cells = [
                str(trainings[0]["codebook_size"]),
                number(100 * min(usage), 0),
                " ".join(number(100 * share, 0) for share in usage),
                " ".join(number(value, 0) for value in perplexity),
            ]
        about = [_million(summary, name), number(summary["seconds"][name], 0)]
        rows.append(Row(tuple(Cell(text) for text in (method_label(name), *about, *cells))))
    columns = (
        Column("Variant", numeric=False),
        Column("Weights (million)"),
        Column("Training (s)"),
        Column("Codes", "Codebook"),
        Column("Least used (%)", "Codebook"),
        Column("Used, each training (%)", "Codebook"),
        Column("Perplexity, each training", "Codebook"),
    )
    tokens = [entry["n_tokens"] for trainings in summary["codes"].values() for entry in trainings]
    notes = [f"Counted on the test subjects, {min(tokens)} positions or more per training."] if tokens else []
    return Table("Size, training time and use of the codebook.", columns, tuple(rows), tuple(notes))


def _brain(summary: Mapping, name: str) -> Mapping:
    """Mean PSNR inside the brain and its interval."""
    return summary["reconstruction"]["methods"][name]["overall"][BRAIN]["psnr"]


def _million(summary: Mapping, name: str) -> str:
    return number(summary["parameters"][name] / 1e6, 3 if summary["parameters"][name] < 1e6 else 2)
