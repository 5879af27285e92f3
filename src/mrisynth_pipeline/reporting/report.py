"""The report of a run: one HTML page that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from matplotlib.figure import Figure

from mrisynth_pipeline.reporting import tables
from mrisynth_pipeline.reporting.anatomy import (
    agreement_table,
    anatomy_verdict,
    probe_table,
    swap_table,
    swap_verdict,
)
from mrisynth_pipeline.reporting.expected_error import expected_error_table, expected_error_verdict
from mrisynth_pipeline.reporting.glossary import GLOSSARY
from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.pictures import picture
from mrisynth_pipeline.reporting.reconstruction import codes_table, reconstruction_table, reconstruction_verdict
from mrisynth_pipeline.reporting.robustness import cost_table
from mrisynth_pipeline.reporting.style import method_label, modality_label
from mrisynth_pipeline.reporting.table import Table
from mrisynth_pipeline.reporting.uncertainty import (
    doubt_table,
    doubt_verdict,
    latent_table,
    latent_verdict,
    section_title,
    sparsification_table,
    temperature_table,
    temperature_verdict,
)
from mrisynth_pipeline.reporting.verdict import (
    baseline_warning,
    headline_method,
    imputation_verdict,
    segmentation_verdict,
)

COHORT_NAMES = {
    "phantom": "built-in phantom",
    "brats": "BraTS",
    "ixi": "IXI",
    "msd": "the Medical Segmentation Decathlon",
    "remind": "ReMIND",
    "bids": "a BIDS data set",
    "folder": "a folder of scans",
    "dicom": "DICOM studies",
    "mixed": "several archives",
}
"""Kind of a cohort → its name in the report."""

Section = Literal[
    "results", "examples", "segmentation", "codes", "expected", "uncertainty", "robustness", "training", "cohort"
]


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report."""

    image: Figure | bytes
    """A matplotlib figure, or the content of a PNG file."""
    caption: str
    """What is seen, in a sentence or two; also read out by screen readers."""
    section: Section = "results"
    """Where it is shown."""


@dataclass(frozen=True)
class ReportContext:
    """Everything that a report says. Whatever is absent is left out, or a sentence says why it is."""

    cohort: str
    """Kind of the cohort (``phantom``, ``brats``, ``ixi``, or your own name); phantom reports are marked."""
    run_id: str
    """Name of the run, as in the tracker."""
    created: str = ""
    """Date and time, as it should be read."""
    method: str | None = None
    """The method that the report is about; by default the first one that competes in ``scores``."""
    baseline: str = "linear"
    """The method that any working method must beat."""
    scores: Mapping | None = None
    """From ``summarise_scores``."""
    segmentation: Mapping | None = None
    """From ``summarise_segmentation``."""
    segmentation_absent: str = "No segmentation was scored in this run."
    """Why there is no ``segmentation``, e.g. that the cohort has no tumour labels."""
    robustness: Mapping | None = None
    """From ``summarise_robustness``; ``None`` leaves its section out."""
    codebook: Mapping | None = None
    """Of NeuroQuant: ``reconstruction``, ``swaps``, and for discrete codes ``use`` and ``anatomy``, each a summary;
    ``None`` leaves the section out."""
    uncertainty: Mapping | None = None
    """Generative method → ``uncertainty``, ``temperature`` and, where there is one, ``latent``, each a summary."""
    uncertainty_absent: str = "No generative method was asked how sure it is."
    """Why there is no ``uncertainty``."""
    expected_error: Mapping | None = None
    """Packaged method → from ``summarise_expected_errors``."""
    expected_error_absent: str = "No package was calibrated and measured."
    """Why there is no ``expected_error``."""
    figures: Sequence[ReportFigure] = ()
    """Figures, in the order of their sections."""
    cohort_summary: Mapping | None = None
    """From ``cohorts.summary.summarise``: counts, refused scans with reasons, fingerprint."""
    failed_subjects: Sequence[Mapping[str, str]] = ()
    """Subjects that could not be preprocessed: ``{subject, reason}``."""
    doubtful_subjects: Sequence[Mapping[str, str]] = ()
    """Subjects that were preprocessed but that a person should look at: ``{subject, warnings}``."""
    split_sizes: Mapping[str, int] = field(default_factory=dict)
    """Subjects per split."""
    leaks: Sequence[str] | None = None
    """Patients found in more than one split (empty: checked, none found; ``None``: not checked)."""
    parameters: Mapping = field(default_factory=dict)
    """Every parameter of the run, nested."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Library → version."""
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    """Stage → run time in seconds."""
    data_fingerprint: str = ""
    """Digest of the raw data; by default that of ``cohort_summary``."""
    git_commit: str = ""
    """Commit of the code, if known."""
    warnings: Sequence[str] = ()
    """Further sentences that the reader must not miss."""


def render_report(context: ReportContext) -> str:
    """The report as one HTML document: styles and images inside, no script, no outside address.

    Args:
        context: What to say.

    Returns:
        HTML text, every value escaped.
    """
    method = headline_method(context.scores, context.method) if context.scores else context.method
    pictures = [picture(figure.image, figure.caption, figure.section) for figure in context.figures]
    return render_page(
        "report.html",
        {"duration": _duration, "modality": modality_label},
        context=context,
        cohort_name=COHORT_NAMES.get(context.cohort, context.cohort),
        verdict=imputation_verdict(context.scores, context.method),
        segmentation_sentence=segmentation_verdict(context.segmentation, method),
        warnings=_warnings(context),
        result_tables=_result_tables(context),
        segmentation_table=tables.segmentation_table(context.segmentation, context.cohort)
        if context.segmentation
        else None,
        robustness_tables=[cost_table(context.robustness, kind) for kind in context.robustness["kinds"]]
        if context.robustness
        else [],
        codebook_words=_codebook_words(context.codebook) if context.codebook else [],
        codebook_tables=_codebook_tables(context.codebook) if context.codebook else [],
        expected_words=expected_error_verdict(context.expected_error) if context.expected_error else [],
        expected_table=expected_error_table(context.expected_error) if context.expected_error else None,
        uncertainty_title=section_title(list(context.uncertainty or ())),
        uncertainty_words=_uncertainty_words(context.uncertainty) if context.uncertainty else [],
        uncertainty_tables=_uncertainty_tables(context.uncertainty) if context.uncertainty else [],
        pictures={section: [p for p in pictures if p.section == section] for section in Section.__args__},
        fingerprint=context.data_fingerprint or (context.cohort_summary or {}).get("fingerprint", ""),
        glossary=GLOSSARY,
    )


def _warnings(context: ReportContext) -> list[str]:
    """What the reader must not miss, most serious first."""
    found = []
    if context.leaks:
        found.append(f"Patients in more than one split: {', '.join(context.leaks)}. The test numbers are too good.")
    if context.cohort == "phantom":
        found.append(
            "Phantom data: the scans are computed, not measured. The numbers show that the pipeline works and "
            "are no evidence about patients."
        )
    found.append(baseline_warning(context.scores, context.method, context.baseline))
    found += (context.scores or {}).get("warnings", [])
    if context.failed_subjects:
        count = len(context.failed_subjects)
        found.append(f"{count} subject{' was' if count == 1 else 's were'} lost in preprocessing (see Cohort).")
    if context.doubtful_subjects:
        count = len(context.doubtful_subjects)
        found.append(f"{count} subject{' needs' if count == 1 else 's need'} a look after preprocessing (see Cohort).")
    found += context.warnings
    found.append("For research. Synthesised images are not for diagnostic use.")
    return [text for text in found if text]


def _result_tables(context: ReportContext) -> dict[str, list[tuple[str, Table]]]:
    """Anchor → (title, table) of the imputation results; the first is shown, the others unfold."""
    scores = context.scores
    if scores is None:
        return {}
    measures = [("slice_psnr", "PSNR"), ("slice_ssim", "SSIM"), ("slice_mae", "MAE")]
    volume = [("volume_psnr", "PSNR"), ("volume_ssim", "SSIM3D"), ("volume_mae", "MAE")]
    groups = {
        "leaderboard": [("Leaderboard", tables.leaderboard(scores, context.cohort))],
        "inputs": [(name, tables.breakdown(scores, "n_inputs", column)) for column, name in measures],
        "targets": [(name, tables.breakdown(scores, "target", column)) for column, name in measures],
        "pairs": [(name, tables.breakdown(scores, "pair", column, context.cohort)) for column, name in measures],
        "comparisons": [(name, tables.comparisons(scores, column)) for column, name in volume],
    }
    return {anchor: group for anchor, group in groups.items() if group[0][1].rows}


def _codebook_words(summary: Mapping) -> list[str]:
    """What NeuroQuant gives back, whether its codes are anatomical, and what exchanging contrasts gains."""
    anatomy = anatomy_verdict(summary["anatomy"]) if "anatomy" in summary else ["The anatomy is continuous: no codes."]
    words = reconstruction_verdict(summary["reconstruction"], summary.get("use", {}))
    return [" ".join(words), " ".join(anatomy), swap_verdict(summary["swaps"])]


def _codebook_tables(summary: Mapping) -> list[Table]:
    """The first is shown, the others unfold."""
    shown = [reconstruction_table(summary["reconstruction"])]
    if "use" in summary:
        shown += [codes_table(summary["use"]), probe_table(summary["anatomy"]), agreement_table(summary["anatomy"])]
    return [*shown, swap_table(summary["swaps"])]


def _uncertainty_words(methods: Mapping[str, Mapping]) -> list[str]:
    """What every method's doubt is worth, which temperature is best, and what its latent follows."""
    words = []
    for method, found in methods.items():
        first, *more = doubt_verdict(found["uncertainty"])
        words += [f"{method_label(method)}: {first}" if len(methods) > 1 else first]
        words += [" ".join(more)] if more else []
        words.append(temperature_verdict(found["temperature"]))
        if "latent" in found:
            words.append(latent_verdict(found["latent"]))
    return words


def _uncertainty_tables(methods: Mapping[str, Mapping]) -> list[Table]:
    """The first is shown, the others unfold."""
    uncertainty = {method: found["uncertainty"] for method, found in methods.items()}
    latent = {method: found["latent"] for method, found in methods.items() if "latent" in found}
    shown = [doubt_table(uncertainty), sparsification_table(uncertainty)]
    shown.append(temperature_table({method: found["temperature"] for method, found in methods.items()}))
    return [*shown, latent_table(latent)] if latent else shown


def _duration(seconds: float) -> str:
    """``3725`` → ``1 h 02 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
