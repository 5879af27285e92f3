"""The benchmark as one page that needs nothing but itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrisynth_pipeline.reporting import tables
from mrisynth_pipeline.reporting.benchmark import (
    asked_table,
    benchmark_verdict,
    cost_table,
    detail_table,
    failure_sentences,
    ranked,
    subject_table,
    worst_table,
)
from mrisynth_pipeline.reporting.benchmark_charts import quality_over_cost
from mrisynth_pipeline.reporting.benchmark_downstream import (
    downstream_verdict,
    hallucination_overview,
    hallucination_table,
)
from mrisynth_pipeline.reporting.benchmark_grids import method_grid
from mrisynth_pipeline.reporting.dice_map import dice_map
from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.pictures import Picture, picture
from mrisynth_pipeline.reporting.ranking import contrast_radar, critical_difference, pairs_by_method
from mrisynth_pipeline.reporting.report import COHORT_NAMES
from mrisynth_pipeline.reporting.style import method_in_sentence, modality_label, subset_label
from mrisynth_pipeline.reporting.table import Table, number
from mrisynth_pipeline.reporting.variants import count

BRASYN = ("brasyn_ssim_tumour", "brasyn_ssim_healthy")
_TISSUES = ("grey", "white", "csf")
_TUMOUR = ("tumour", "core", "enhancing")

Slices = Mapping[str, np.ndarray]
Scan = Callable[[str, int], tuple[Mapping[str, np.ndarray], np.ndarray | None]]
"""Subject and axial slice → real slices by contrast, and tumour labels where there are any."""


@dataclass(frozen=True)
class PageSection:
    """One section of the page."""

    anchor: str
    title: str
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[tuple[str, Table]] = ()
    """Title and table, shown when they are asked for."""
    pictures: Sequence[Picture] = ()


def benchmark_page(summary: Mapping, slices: Slices, scan: Scan, byline: str) -> str:
    """The page of the benchmark.

    Args:
        summary: From the pipeline ``benchmark``.
        slices: Imputed slices; see ``impute_pictures`` there.
        scan: Real slices of a subject.
        byline: Run, date, code and data.
    """
    cohort = summary["cohort"]
    sections = [
        _results(summary),
        _statistics(summary),
        _examples(summary, slices, scan),
        _pairs(summary),
        _regions(summary),
        _downstream(summary),
        _failures(summary, slices, scan),
        PageSection(
            "costs", "Costs", tables=[cost_table(summary)],
            pictures=[picture(quality_over_cost(summary), "Quality over the time that one volume takes.")],
        ),
    ]  # fmt: skip
    return render_page(
        "benchmark.html",
        cohort=COHORT_NAMES.get(cohort, cohort),
        byline=byline,
        verdict=benchmark_verdict(summary),
        warnings=_warnings(summary),
        sections=[section for section in sections if section is not None],
    )


def _warnings(summary: Mapping) -> list[str]:
    """What the reader must not miss."""
    found = []
    if summary["cohort"] == "phantom":
        found.append(
            "Phantom data: the scans are computed, not measured. The numbers show that the methods work and are no "
            "evidence about patients."
        )
    if summary["steps_share"] < 1:
        found.append(
            f"Every training was cut to {number(100 * summary['steps_share'], 0)} % of its steps, so that all fit in "
            "the time: longer ones may change the order."
        )
    found += summary["scores"]["warnings"]
    found += failure_sentences(summary)
    return found


def _results(summary: Mapping) -> PageSection:
    scores, cohort = summary["scores"], summary["cohort"]
    board = tables.leaderboard(scores, cohort)
    subsets = "every contrast alone and all but one" if summary["subsets"] == "few" else "every set of inputs"
    words = [
        f"Inputs: {subsets}. Scores are averaged over {count(summary['seeds'], 'seed')} before anything else; n counts "
        "subjects, never slices. The slice protocol is the published tables', with the sets of inputs named here."
    ]
    brasyn = detail_table(
        summary,
        BRASYN,
        "Protocol brasyn: SSIM after clipping to the truth's 0.5 to 99.5 percentiles, inside and outside the tumour.",
    )
    perceptual = detail_table(summary, ("lpips",), "LPIPS of axial slices (AlexNet); lower is closer.")
    return PageSection("results", "Leaderboard", words, [t for t in (board, brasyn, perceptual) if t])


def _statistics(summary: Mapping) -> PageSection:
    scores = summary["scores"]
    folded = [
        (f"Every pair of methods: {title}", tables.comparisons(scores, column))
        for column, title in (("volume_psnr", "PSNR"), ("volume_ssim", "SSIM3D"), ("volume_mae", "MAE"))
    ]
    pictures = [
        picture(
            critical_difference(ranking),
            f"Mean ranks by {name} over {count(ranking['n_subjects'], 'test subject')}: methods joined by a bar are "
            f"not told apart by the Nemenyi test at 5 %. {' '.join(ranking['words'])}",
        )
        for name, ranking in ((_MEASURES[column], ranking) for column, ranking in summary["ranking"].items())
    ]
    asked = asked_table(summary["asked"])
    return PageSection(
        "statistics", "Who is better than whom", tables=[asked] if asked else [], folded=folded, pictures=pictures
    )


_MEASURES = {"volume_psnr": "PSNR inside the brain", "volume_ssim": "SSIM3D inside the brain"}


def _pairs(summary: Mapping) -> PageSection:
    scores = summary["scores"]
    methods = [name for name, entry in scores["methods"].items() if not entry["reference"]]
    folded = [
        (f"By missing contrast: {name}", tables.breakdown(scores, "target", column))
        for column, name in (("slice_psnr", "PSNR"), ("slice_ssim", "SSIM"), ("slice_mae", "MAE"))
    ]
    folded += [
        (f"Every pair: {name}", tables.breakdown(scores, "pair", column, summary["cohort"]))
        for column, name in (("slice_psnr", "PSNR"), ("slice_ssim", "SSIM"), ("slice_mae", "MAE"))
    ]
    pictures = [
        picture(pairs_by_method(scores), "Slice PSNR of every pair by every method; outlined: the best of the row."),
    ]
    if len(summary["modalities"]) >= 3:
        pictures.append(picture(contrast_radar(scores, methods), "Slice PSNR by missing contrast."))
    return PageSection("pairs", "By pair", folded=folded, pictures=pictures)


def _regions(summary: Mapping) -> PageSection | None:
    source = "Tissues: the phantom's truth." if summary["cohort"] == "phantom" else (
        "Tissues: a three-class Gaussian mixture of the T1, a rough guess."
    )  # fmt: skip
    made = [
        detail_table(
            summary,
            [f"{region}_mae" for region in regions],
            f"Mean absolute error ×1000 by region: {title}.",
            [source] if regions == _TISSUES else [],
        )
        for regions, title in ((_TISSUES, "healthy tissue"), (_TUMOUR, "tumour"))
    ]
    found = [table for table in made if table]
    return PageSection("regions", "Errors by region", tables=found) if found else None


def _downstream(summary: Mapping) -> PageSection | None:
    if not summary["downstream"]:
        return None
    order = ranked(summary, [n for n, e in summary["scores"]["methods"].items() if not e["reference"]])
    shown, folded, pictures = [], [], []
    for name, found in summary["downstream"].items():
        by = "" if name == "segmenter" else ", by a segmenter trained with missing contrasts"
        pictures.append(
            picture(dice_map(found["segmentation"], order), f"Dice with each contrast in turn blank or imputed{by}.")
        )
        folded.append(
            (f"Dice, HD95 and gap closed{by}", tables.segmentation_table(found["segmentation"], summary["cohort"]))
        )
        if hallucinations := found["hallucinations"]:
            if not by:
                shown.append(hallucination_overview(hallucinations, order))
            folded.append((f"False and lost tumour, with intervals{by}", hallucination_table(hallucinations)))
    return PageSection(
        "downstream",
        "Segmentation of imputed scans",
        downstream_verdict(summary),
        [table for table in shown if table],
        [(title, table) for title, table in folded if table],
        pictures,
    )


def _examples(summary: Mapping, slices: Slices, scan: Scan) -> PageSection | None:
    pictures = [
        picture(
            _grid(case, _in_order(summary, made), z, scan),
            f"{modality_label(case[2])} of {case[0]} from {subset_label(case[1])}, by the first seed of every method.",
        )
        for case, made, z in _cases(slices, "example")
    ]
    return PageSection("examples", "The same subjects for all", pictures=pictures) if pictures else None


def _failures(summary: Mapping, slices: Slices, scan: Scan) -> PageSection | None:
    worst = worst_table(summary)
    pictures = [
        picture(
            _grid(case, _in_order(summary, made), z, scan),
            f"{case[0]}, {modality_label(case[2])} from {subset_label(case[1])}, where "
            f"{method_in_sentence(summary['leader'])} is furthest off.",
        )
        for case, made, z in _cases(slices, "worst")
    ]
    shown = [table for table in (subject_table(summary), worst) if table]
    return PageSection("failures", "Where it fails", tables=shown, pictures=pictures)


def _grid(case: tuple[str, str, str], made: Slices, z: int, scan: Scan) -> Any:
    subject, inputs, target = case
    real, labels = scan(subject, z)
    given = {name: real[name] for name in inputs.split("+")}
    return method_grid(real[target], given, made, target, subject=subject, segmentation=labels)


def _in_order(summary: Mapping, made: Slices) -> dict[str, np.ndarray]:
    """Slices by method, the best method of the leaderboard first."""
    return {name: made[name] for name in ranked(summary, list(made))}


def _cases(slices: Slices, kind: str) -> Iterator[tuple[tuple[str, str, str], dict[str, np.ndarray], int]]:
    """(subject, inputs, target), its slices by method, and their index."""
    cases: dict[tuple[str, str, str], dict[str, np.ndarray]] = {}
    for key, image in slices.items():
        what, subject, inputs, target, name = key.split("|")
        if what == kind:
            cases.setdefault((subject, inputs, target), {})[name] = image
    for case, found in cases.items():
        z = int(found.pop("slice")[0])
        if found:
            yield case, found, z
