"""One page and one table that say what came out."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from mrisynth_pipeline.parameters import plain
from mrisynth_pipeline.pipelines.methods import METHODS, SKIPPED
from mrisynth_pipeline.pipelines.reporting.doubt import DOUBT_CAPTIONS
from mrisynth_pipeline.pipelines.reporting.drawing import CURVES
from mrisynth_pipeline.reporting.console import console_table
from mrisynth_pipeline.reporting.provenance import git_commit, library_versions
from mrisynth_pipeline.reporting.report import ReportContext, ReportFigure, Section, render_report
from mrisynth_pipeline.reporting.style import method_label

CAPTIONS: dict[str, tuple[Section, str | Mapping[str, str]]] = {
    "registration_montage": (
        "cohort",
        "Every contrast of some subjects on the model grid, with the brain mask: edges must coincide.",
    ),
    "training_curves": ("training", CURVES),
    "codebrain_code_usage": ("training", "How often each code of CodeBrain's codebook is used on the test subjects."),
    "pair_heat_maps": ("results", "Slice PSNR of {method} for every set of inputs and missing contrast."),
    "scores_by_inputs": ("results", "Slice PSNR of all methods against the number of available contrasts."),
    "segmentation_bars": (
        "segmentation",
        "Dice of each tumour region with one contrast blank or imputed; the line is that of all real contrasts.",
    ),
    "codebook_figures": (
        "codes",
        {
            "reconstruction": "Scans of a test subject and what NeuroQuant gives back of them; bright: wrong.",
            "swap": "Row: whose anatomy; column: which contrast it is put into. On the diagonal the reconstruction.",
            "codebook": "Codes in use on the validation patches, over the training.",
        },
    ),
    "uncertainty_figures": ("uncertainty", DOUBT_CAPTIONS),
    "expected_error_figures": (
        "expected",
        "{method}. Left: error left when the most doubtful voxels are set aside, mean over scans. Right: measured "
        "against expected error, voxels in ten bins; on the diagonal what is said is what comes.",
    ),
    "robustness_figures": (
        "robustness",
        {
            "curves": "PSNR with one input moved by so much; bands are confidence intervals over subjects.",
            "cost": "PSNR lost, against the mean displacement of the brain.",
            "example": "The farthest shift: aligned inputs above, one of them moved below.",
        },
    ),
    "example_imputations": (
        "examples",
        "{key}: inputs, truth, imputations and absolute errors; the slice with the most tumour core.",
    ),
    "example_segmentations": (
        "segmentation",
        "{key}: the rater's outline and the segmenter's on real and filled scans.",
    ),
}
"""Figure → (section of the report, caption; of a set of figures one for all of them, or one for each)."""


def print_results(scores: dict[str, Any], segmentation: dict[str, Any]) -> str:
    """The result table as plain text; the run ends by printing it."""
    return console_table(scores, None if SKIPPED in segmentation else segmentation)


def write_report(
    study: dict[str, Any],
    scores: dict[str, Any],
    segmentation: dict[str, Any],
    robustness: dict[str, Any],
    codebook: dict[str, Any],
    uncertainty: dict[str, Any],
    expected_error: dict[str, Any],
    manifest_summary: dict[str, Any],
    split: dict[str, Any],
    index: pd.DataFrame,
    run_times: dict[str, Any],
    parameters: dict[str, Any],
    **figures: bytes | dict[str, Callable[[], bytes]],
) -> str:
    """The self-contained HTML page: verdict, tables, figures, settings, versions, fingerprint, run times."""
    run = mlflow.active_run()
    stage_seconds: dict[str, float] = defaultdict(float)
    for entry in run_times.values():
        stage_seconds[entry["stage"]] += entry["seconds"]
    failed = index.loc[index["status"] == "failed", ["subject", "reason"]]
    doubtful = index.loc[(index["status"] == "done") & (index["warnings"] != ""), ["subject", "warnings"]]
    return render_report(
        ReportContext(
            cohort="phantom" if study["phantom"] else study["cohort"],
            run_id=run.info.run_name if run else "untracked run",
            created=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            scores=scores,
            segmentation=None if SKIPPED in segmentation else segmentation,
            segmentation_absent=f"No downstream segmentation: {segmentation.get(SKIPPED, '')}.",
            robustness=None if SKIPPED in robustness else robustness,
            codebook=None if SKIPPED in codebook else codebook,
            uncertainty=None if SKIPPED in uncertainty else uncertainty["methods"],
            uncertainty_absent=_sentence(uncertainty.get(SKIPPED, "")),
            expected_error=None if SKIPPED in expected_error else expected_error["methods"],
            expected_error_absent=_sentence(expected_error.get(SKIPPED, "")),
            figures=[figure for name, content in figures.items() for figure in _figures(name, content)],
            cohort_summary=manifest_summary,
            failed_subjects=failed.to_dict("records"),
            doubtful_subjects=doubtful.to_dict("records"),
            split_sizes={part: len(study[part]) for part in ("train", "validation", "test")},
            leaks=[leak["patient"] for leak in split["leaks"]],
            parameters=plain(parameters),  # Kedro hands out those that nodes of this run take as typed models
            versions=library_versions(),
            stage_seconds=dict(stage_seconds),
            git_commit=git_commit(Path.cwd()),
        )
    )


def _sentence(words: str) -> str:
    """Words as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def _figures(name: str, content: bytes | dict[str, Callable[[], bytes]]) -> Iterator[ReportFigure]:
    """One figure, or every partition of a set of them."""
    section, caption = CAPTIONS[name]
    if isinstance(content, bytes):
        yield ReportFigure(content, caption, section)
        return
    order = list(caption) if isinstance(caption, Mapping) else list(METHODS)
    for key in sorted(content, key=lambda k: (order.index(k) if k in order else len(order), k)):
        text = caption.get(key, "") if isinstance(caption, Mapping) else caption
        yield ReportFigure(content[key](), text.format(key=key.replace("_", " "), method=method_label(key)), section)
