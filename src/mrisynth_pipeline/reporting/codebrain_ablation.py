"""CodeBrain's published ablation beside what came of it here: a verdict on each question, tables and a chart."""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from mrisynth_pipeline.metrics.comparison import SIGNIFICANCE
from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.pictures import picture
from mrisynth_pipeline.reporting.report import COHORT_NAMES
from mrisynth_pipeline.reporting.style import method_label, new_figure, styled
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
from mrisynth_pipeline.reporting.variants import (
    ONE_SEED,
    SEED_NOTE,
    answer,
    chance_of_training,
    count,
    draw_trainings,
    notes_of,
)

FULL, NO_COMMON, CLASSIFICATION, L1, CONTINUOUS, VECTORS = (
    "full", "no_common", "classification", "l1", "continuous_codes", "vq_codes",
)  # fmt: skip
"""The variants that answer a question; more may be configured."""

TRUE_CODES, IMPUTATION = "true_codes", "imputation"
"""Stage I with the codes of the complete stack, which has seen the truth; and both stages, which have not."""
STAGES = {TRUE_CODES: "Stage I, true codes", IMPUTATION: "Imputation"}
"""What is measured → its name in headings."""

PUBLISHED_PSNR: dict[str, dict[str, float]] = {
    FULL: {TRUE_CODES: 34.32, IMPUTATION: 29.50},
    NO_COMMON: {TRUE_CODES: 30.15},
    L1: {TRUE_CODES: 34.08},
    CLASSIFICATION: {IMPUTATION: 29.24},
}
"""Slice PSNR in dB on IXI of the ablation in arXiv 2501.18328. Of continuous codes we know the words alone."""


@dataclass(frozen=True)
class Question:
    """What a row of the ablation is there for."""

    variant: str
    """Whose difference from CodeBrain answers it."""
    stage: str
    """By which of :data:`STAGES`."""
    words: str
    """The question."""
    published: str
    """The published answer."""
    first: str
    """The variant inside a sentence."""
    second: str
    """CodeBrain inside the sentence."""
    worse: bool = True
    """Whether it is published that the variant is the worse one."""


QUESTIONS = (
    Question(
        NO_COMMON,
        TRUE_CODES,
        "Does Stage I need the common features of the available contrasts?",
        f"yes, 34.32 against 30.15 dB ({PUBLISHED})",
        "Stage I without common features",
        "Stage I with them",
    ),
    Question(
        L1,
        TRUE_CODES,
        "Is the PSNR loss better than L1?",
        f"yes, 34.32 against 34.08 dB ({PUBLISHED})",
        "Stage I with the L1 loss",
        "Stage I with the PSNR loss",
    ),
    Question(
        CLASSIFICATION,
        IMPUTATION,
        "Is grading better than classification?",
        f"yes, 29.50 against 29.24 dB ({PUBLISHED})",
        "imputation by classified codes",
        "imputation by graded codes",
    ),
    Question(
        CONTINUOUS,
        IMPUTATION,
        "Must codes be quantised to be predicted?",
        f"yes, continuous codes are clearly worse (in words; no number known; {PUBLISHED})",
        "imputation by continuous codes",
        "imputation by quantised codes",
    ),
    Question(
        VECTORS,
        IMPUTATION,
        "Would a codebook of vectors do as well as FSQ?",
        "not asked, the question is ours",
        "imputation by vector codes",
        "imputation by FSQ codes",
        worse=False,
    ),
)
"""The four published questions, and ours."""


def ablation_verdict(summary: Mapping) -> list[str]:
    """Every question with its published answer and the one here, as it falls; then what holds for several of them.

    Args:
        summary: From the pipeline ``ablation``.
    """
    answers = [(question, _answer(summary, question)) for question in QUESTIONS]
    answered = [(question, sentences) for question, sentences in answers if sentences]
    if not answered:
        return [f"{method_label(FULL)} and another variant were not both trained: there is nothing to compare."]
    tests = [_test(summary, question) for question, _ in answered]
    general = [*notes_of(tests), ONE_SEED]
    verdict = [
        " ".join(
            [
                f"{question.words} Published: {question.published}. Here:",
                outcome[:1].upper() + outcome[1:],
                *(doubt for doubt in own if doubt not in general),
                *_conclusion(summary, question),
            ]
        )
        for question, (outcome, *own) in answered
    ]
    return [*verdict, *(doubt for doubt in general if any(doubt in own for _, own in answered))]


def _test(summary: Mapping, question: Question) -> Mapping | None:
    """The comparison that a question is answered by, if both variants were trained."""
    tests = summary["stages"][question.stage]["comparisons"]
    return next((test for test in tests if test["first"] == question.variant), None)


def _answer(summary: Mapping, question: Question) -> list[str]:
    """The difference here, and what casts doubt on it; empty if there is none."""
    test = _test(summary, question)
    if test is None:
        return []
    of_stage = {"seeds": summary["seeds"], "seed_sd": summary["stages"][question.stage]["seed_sd"]}
    return answer(of_stage, test, question.first, question.second, corrected=True)


def _conclusion(summary: Mapping, question: Question) -> list[str]:
    """Is it here as published? Said of published answers alone."""
    if not question.worse:
        return []
    test, seed_sd = _test(summary, question), summary["stages"][question.stage]["seed_sd"]
    gain = test["mean_difference"]
    chance = chance_of_training({"seeds": summary["seeds"], "seed_sd": seed_sd}, test["first"], test["second"])
    if test["p_holm"] <= SIGNIFICANCE and chance is not None and abs(gain) > chance:
        return ["So it is as published." if gain < 0 else "So it is the other way round than published."]
    if gain == 0:
        return ["So neither is ahead."]
    towards = "the same as" if gain < 0 else "opposite to"
    return [f"So the published answer is neither confirmed nor refuted; the direction is {towards} the published one."]


def ablation_tables(summary: Mapping) -> list[Table]:
    """Quality of every variant beside the published one; then differences from CodeBrain, cost and codes."""
    return [_quality(summary), *(_differences(summary, stage) for stage in STAGES), _cost(summary)]


def ablation_page(summary: Mapping, cohort: str) -> str:
    """The verdict, the tables and the trainings as one self-contained HTML page.

    Args:
        summary: From the pipeline ``ablation``.
        cohort: Kind of the cohort; pages on the phantom are marked.
    """
    caption = (
        "PSNR inside the brain of Stage I with the true codes (left), and of the imputation (right): mean of each "
        "training (rings), and the mean over subjects with its confidence interval. The two axes differ."
    )
    return render_page(
        "ablation.html",
        title="CodeBrain's ablation",
        cohort=COHORT_NAMES.get(cohort, cohort),
        phantom=cohort == "phantom",
        verdict=ablation_verdict(summary),
        tables=ablation_tables(summary),
        pictures=[picture(trainings_chart(summary), caption)],
    )


def trainings_chart(summary: Mapping) -> Figure:
    """Both stages of every variant, one panel each: trainings as rings, their mean with its interval beside."""
    with styled():
        figure = new_figure(0.9 + 0.3 * len(summary["parameters"]))
        figure.set_layout_engine("constrained")
        for axes, (stage, heading) in zip(figure.subplots(1, 2, sharey=True), STAGES.items(), strict=True):
            found = summary["stages"][stage]
            psnr = {name: _volume(found, name)["psnr"] for name in found["seed_means"]}
            draw_trainings(axes, psnr, found["seed_means"], FULL)
            axes.set_title(heading)
    return figure


def _volume(stage: Mapping, name: str) -> Mapping:
    """Means over subjects, inside the brain."""
    return stage["scores"]["methods"][name]["overall"]["volume"]


def _coverage(summary: Mapping) -> str:
    """Who was scored, how often trained."""
    scores = summary["stages"][IMPUTATION]["scores"]
    folds = f", {summary['folds']} folds" if summary["folds"] > 1 else ""
    return (
        f"{count(scores['n_subjects'], 'subject')}, {scores['n_pairs']} pairs of inputs → missing contrast, "
        f"{count(summary['seeds'], 'seed')} per variant{folds}; a subject is averaged over seeds first."
    )


def _quality(summary: Mapping) -> Table:
    """What the true codes give and what the predicted ones do, with the published numbers below."""
    names = list(summary["parameters"])
    columns, lines = [Column("Variant", numeric=False)], {name: [Cell(method_label(name))] for name in names}
    for stage, heading in STAGES.items():
        overall = {name: summary["stages"][stage]["scores"]["methods"][name]["overall"] for name in names}
        for title, protocol, measure, decimals in (
            ("Slice PSNR", "slice", "psnr", 2),
            ("PSNR", "volume", "psnr", 2),
            ("SSIM ×100", "volume", "ssim", 1),
        ):
            means = [overall[name][protocol][measure] for name in names]
            values = means if protocol == "slice" else [mean["mean"] for mean in means]
            columns.append(Column(title, heading))
            for name, value, best in zip(names, values, best_of(values, decimals), strict=True):
                lines[name].append(Cell(number(value, decimals), best))
    published = [
        Row(
            (
                Cell(method_label(name)),
                *(cell for stage in STAGES for cell in (Cell(number(psnr.get(stage), 2)), Cell(ABSENT), Cell(ABSENT))),
            ),
            "published",
        )
        for name, psnr in PUBLISHED_PSNR.items()
    ]
    notes = (
        "Slice PSNR (dB) follows the published tables: whole axial slices; PSNR (dB) and SSIM without that word are of "
        "volumes, inside the brain. Stage I with the true codes has seen the truth: it is the ceiling of its "
        "imputation.",
        f"Published rows ({PUBLISHED}): IXI, full size, arXiv 2501.18328; the levels cannot be compared with those "
        "here, the differences between rows may.",
    )
    rows = (*(Row(tuple(lines[name])) for name in names), *published)
    return Table(f"Both stages of every variant: {_coverage(summary)}", tuple(columns), rows, notes)


def _differences(summary: Mapping, stage: str) -> Table:
    """How far every variant is from CodeBrain, in one stage."""
    found = summary["stages"][stage]
    tests = {test["first"]: test for test in found["comparisons"]}
    rows = []
    for name in found["seed_means"]:
        test, psnr = tests.get(name), _volume(found, name)["psnr"]
        rows.append(
            Row(
                (
                    Cell(method_label(name)),
                    Cell(number(psnr["mean"], 2)),
                    Cell(interval(psnr["ci_low"], psnr["ci_high"], 2)),
                    Cell(number(found["seed_sd"][name], 2) if summary["seeds"] > 1 else ABSENT),
                    Cell(number(test["mean_difference"], 2) if test else ABSENT),
                    Cell(p_value(test["p_holm"]) if test else ABSENT),
                    Cell(_published_gain(name, stage)),
                )
            )
        )
    columns = (
        Column("Variant", numeric=False),
        Column("PSNR", "Volume protocol"),
        Column("95 % CI", "Volume protocol"),
        Column("SD of seeds", "Volume protocol"),
        Column("Gain", "Against CodeBrain"),
        Column("p, Holm", "Against CodeBrain"),
        Column("Gain", f"Slices, {PUBLISHED}"),
    )
    notes = [SEED_NOTE, *notes_of(tests.values())]
    alone = [method_label(name) for name in found["seed_means"] if name not in tests and name != FULL]
    if alone and stage == TRUE_CODES:
        notes.append(f"Not compared, as they have CodeBrain's own Stage I: {', '.join(alone)}.")
    return Table(f"{STAGES[stage]}: differences in PSNR inside the brain (dB).", columns, tuple(rows), tuple(notes))


def _published_gain(name: str, stage: str) -> str:
    """Published difference from CodeBrain in dB, where there is one."""
    psnr, full = PUBLISHED_PSNR.get(name, {}).get(stage), PUBLISHED_PSNR[FULL][stage]
    return ABSENT if psnr is None or name == FULL else number(psnr - full, 2)


def _cost(summary: Mapping) -> Table:
    """Weights, time, and how much of the codebook is in use."""
    rows = []
    for name, weights in summary["parameters"].items():
        use = summary["codes"].get(name)
        cells = [method_label(name), number(weights / 1e6, 2), number(summary["seconds"][name], 0)]
        cells += [number(use[key], 0) if use else ABSENT for key in ("codebook_size", "n_used", "perplexity")]
        rows.append(Row(tuple(Cell(text) for text in cells)))
    columns = (
        Column("Variant", numeric=False),
        Column("Weights (million)"),
        Column("Training (s)"),
        Column("Codes", "Codebook"),
        Column("In use", "Codebook"),
        Column("Perplexity", "Codebook"),
    )
    note = "Seconds are those of both stages. Codes are counted on the complete stacks of the test subjects."
    return Table("Size, training time and use of the codes (means over trainings).", columns, tuple(rows), (note,))
