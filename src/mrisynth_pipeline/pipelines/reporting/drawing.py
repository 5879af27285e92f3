"""Figures that show all judged methods beside each other."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.misalignment import shown_case
from mrisynth_pipeline.pipelines.examples import case_name, missing_channel, shown_cases
from mrisynth_pipeline.pipelines.figures import empty_figure
from mrisynth_pipeline.pipelines.methods import METHODS, SKIPPED, TRAINED
from mrisynth_pipeline.pipelines.products import may_lack
from mrisynth_pipeline.reporting.charts import (
    code_usage,
    pair_heatmap,
    scores_by_inputs,
    segmentation_bars,
    training_curves,
)
from mrisynth_pipeline.reporting.images import (
    imputation_grid,
    misaligned_examples,
    reconstruction_grid,
    segmentation_grid,
    swap_grid,
)
from mrisynth_pipeline.reporting.reconstruction import codebook_curves
from mrisynth_pipeline.reporting.robustness import misalignment_cost, robustness_curves
from mrisynth_pipeline.sampling.slices import telling_slice

CURVES = {
    "codebrain_stage1": "Stage I of CodeBrain: the autoencoder, given the true codes.",
    "codebrain_stage2": "Stage II of CodeBrain: the code predictor, given the available contrasts alone.",
    "neuroquant_stage1": "Stage I of NeuroQuant: single contrasts of validation patches from their codes and style.",
    "neuroquant_stage2": "Stage II of NeuroQuant: its codes, given the available contrasts alone.",
    "resunet_training": "ResUNet, trained as in pix2pix.",
    "aginet_training": "AGI-Net, trained as in pix2pix.",
    "mmhvae_training": "MMHVAE; validation decodes the means (temperature 0).",
    "segmenter_training": "The downstream segmenter, trained on real complete scans.",
}
"""Trainings whose curves the report shows, ``{namespace}_{stage}``, and their captions."""


@may_lack("*_history")
def draw_curves(summary: dict[str, Any], *histories: pd.DataFrame | None) -> dict[str, Figure]:
    """Logged metrics of every training against its steps, for the methods in the table and the segmenter."""
    shown = {*summary["methods"], "segmenter"}
    return {
        name: training_curves(history)
        for name, history in zip(CURVES, histories, strict=True)
        if name.partition("_")[0] in shown and history is not None and not history.empty
    } or {"none": empty_figure("There was no training.")}


@may_lack("codebrain.code_counts")
def draw_code_usage(code_counts: pd.DataFrame | None) -> Figure:
    """How often each code is used on the test subjects, over all subsets."""
    if code_counts is None:
        return empty_figure("CodeBrain's codes have not been counted.")
    if code_counts.empty:
        return empty_figure("No test subject has every contrast: CodeBrain's codes of complete stacks are unknown.")
    return code_usage(code_counts["count"].to_numpy())


def draw_heat_maps(summary: dict[str, Any]) -> dict[str, Figure]:
    """Slice PSNR of each trained method for every (subset → target) pair, in one colour scale."""
    judged = [method for method in TRAINED if method in summary["methods"]]
    values = [pair["slice"]["psnr"] for method in judged for pair in summary["methods"][method]["by_pair"]]
    figures = {method: pair_heatmap(summary, method, limits=(min(values), max(values))) for method in judged}
    return figures or {"none": empty_figure("No trained method was judged.")}


def draw_scores_by_inputs(summary: dict[str, Any]) -> Figure:
    """Slice PSNR of all methods against the number of available contrasts."""
    return scores_by_inputs(summary)


@may_lack("*example_slices")
def draw_examples(
    summary: dict[str, Any],
    study: dict[str, Any],
    subjects: SubjectStore,
    parameters: EvaluationParameters,
    *slices: dict[str, np.ndarray] | None,
) -> dict[str, Figure]:
    """Inputs, truth, imputations and errors of some test subjects, for some availability subsets."""
    modalities, figures = study["modalities"], {}
    for subject, subset in shown_cases(study, subjects, parameters):
        name = case_name(subject, subset, study)
        imputed = {
            method: shown[name]
            for method, shown in zip(METHODS, slices, strict=True)
            if method in summary["methods"] and shown is not None and name in shown
        }
        if not imputed:
            continue
        file = subjects.open(subject)
        labels = file.segmentation()
        z = telling_slice(file.mask(), labels)
        inputs = [modality for modality, have in zip(modalities, subset.tolist(), strict=True) if have]
        figures[name] = imputation_grid(
            file.slice(z),
            modalities,
            inputs,
            imputed,
            subject=subject,
            segmentation=None if labels is None else labels[z],
        )
    return figures or {"none": empty_figure("No test subject with every contrast was shown.")}


def draw_segmentation_bars(summary: dict[str, Any]) -> Figure:
    """Dice per missing contrast and region for real, blank and imputed contrasts."""
    return empty_figure(summary[SKIPPED]) if SKIPPED in summary else segmentation_bars(summary)


@may_lack("*segmented_slices")
def draw_segmentations(
    summary: dict[str, Any],
    study: dict[str, Any],
    subjects: SubjectStore,
    *slices: dict[str, np.ndarray] | None,
) -> dict[str, Figure]:
    """Rater and segmenter on real, blank and imputed scans of a test subject; the second contrast is missing."""
    if SKIPPED in summary:
        return {"none": empty_figure(summary[SKIPPED])}
    pictures: dict[str, dict[str, np.ndarray]] = {}
    for name, picture in [item for shown in slices if shown is not None for item in shown.items()]:
        subject, method, kind = name.rsplit("/", 2)
        if method in summary["methods"]:
            pictures.setdefault(subject, {})[f"{method}/{kind}"] = picture
    channel, figures = missing_channel(study), {}
    for subject, shown in pictures.items():
        file = subjects.open(subject)
        truth = file.segmentation()
        z = telling_slice(file.mask(), truth)
        methods = [m for m in ("real", "zero", *METHODS) if f"{m}/labels" in shown]
        figures[subject] = segmentation_grid(
            file.slice(z)[channel],
            {"rater": truth[z]} | {method: shown[f"{method}/labels"] for method in methods},
            title=f"{subject}: {DISPLAY_NAMES[study['modalities'][channel]]} missing",
            backgrounds={method: shown[f"{method}/image"] for method in methods if method != "real"},
        )
    return figures or {"none": empty_figure("No test subject with a label map.")}


@may_lack("neuroquant.*")
def draw_codebook(
    summary: dict[str, Any],
    study: dict[str, Any],
    history: pd.DataFrame | None,
    slices: dict[str, np.ndarray] | None,
) -> dict[str, Figure]:
    """NeuroQuant's codebook over the training, what it gives back, and exchanged anatomies and contrasts."""
    if SKIPPED in summary or not slices:
        return {"none": empty_figure(summary.get(SKIPPED, "No complete test subject to show."))}
    subject = next(iter(slices)).rpartition("/")[0]
    originals, swapped = slices[f"{subject}/originals"], slices[f"{subject}/swapped"]
    made = {"neuroquant": np.stack([swapped[channel, channel] for channel in range(len(swapped))])}
    figures = {
        "reconstruction": reconstruction_grid(originals, study["modalities"], made, subject=subject),
        "swap": swap_grid(originals, study["modalities"], swapped, subject=subject),
    }
    if "use" in summary and history is not None:
        figures["codebook"] = codebook_curves({"neuroquant": history})
    return figures


@may_lack("*misaligned_slices", "misalignments", "misalignment_example")
def draw_robustness(
    summary: dict[str, Any],
    cases: pd.DataFrame | None,
    inputs: dict[str, np.ndarray] | None,
    *slices: dict[str, np.ndarray] | None,
) -> dict[str, Figure]:
    """Quality against the size of a misalignment, its cost in dB, and what it looks like; if it was tried."""
    if SKIPPED in summary:
        return {"none": empty_figure(summary[SKIPPED])}
    figures = {"curves": robustness_curves(summary), "cost": misalignment_cost(summary)}
    shown = {
        method: (found["aligned"], found["displaced"])
        for method, found in zip(METHODS, slices, strict=True)
        if method in summary["methods"] and found
    }
    case = None if cases is None else shown_case(cases)
    if case is None or not inputs or not shown:
        return figures
    given = case["inputs"].split("+")
    example = misaligned_examples(
        {name: inputs[f"aligned/{name}"] for name in given},
        {name: inputs[f"displaced/{name}"] for name in given},
        inputs["truth"],
        case["target"],
        shown,
        subject=case["subject"],
        motion=f"shifted by {case['amount']:g} mm",
    )
    return figures | {"example": example}
