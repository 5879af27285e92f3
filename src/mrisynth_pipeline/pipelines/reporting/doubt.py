"""Figures on how sure the generative methods are, and on what error is to be expected of packaged ones."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.pipelines.figures import empty_figure
from mrisynth_pipeline.pipelines.methods import GENERATIVE, SKIPPED
from mrisynth_pipeline.pipelines.products import may_lack
from mrisynth_pipeline.reporting.doubt_grids import doubt_grid, latent_grid, subset_grid
from mrisynth_pipeline.reporting.expected_error_charts import expected_error_figure
from mrisynth_pipeline.reporting.style import method_label
from mrisynth_pipeline.reporting.uncertainty_charts import (
    deviation_by_inputs,
    latent_scatter,
    sparsification_curves,
    temperature_curves,
)
from mrisynth_pipeline.sampling.slices import telling_slice

_OF_ALL = {
    "sparsification": "Error left when the most uncertain voxels are set aside; the band is the confidence interval.",
    "inputs": "Standard deviation and error with more inputs; lines are confidence intervals over subjects.",
    "temperature": "Quality against temperature; the ring marks where the mean of the draws is best.",
}
_OF_ONE = {
    "subsets": "{method}, every set of inputs (rows): the mean of the draws, framed; what was given is dimmed.",
    "doubt": "{method}: absolute error beside standard deviation, from one contrast and from all but one.",
    "latent": "Finest latents of {method} on their principal components; lines lead to the latent of all contrasts.",
    "colours": "Finest latent of {method} as colours: the same colour is the same code, whatever was given.",
}
DOUBT_CAPTIONS = _OF_ALL | {
    f"{method}_{name}": caption.format(method=method_label(method))
    for method in GENERATIVE
    for name, caption in _OF_ONE.items()
}
"""Figure → caption, in the order of the report."""


@may_lack("*.latent_components", "*.latent_slices", "*.doubt_slices")
def draw_doubt(
    summary: dict[str, Any],
    study: dict[str, Any],
    subjects: SubjectStore,
    *products: pd.DataFrame | dict[str, np.ndarray] | None,
) -> dict[str, Figure]:
    """Curves of all generative methods, and of each its imputations, doubts and latents; if they were examined.

    Args:
        summary: From ``summarise_doubt``.
        study: Whose contrasts.
        subjects: The truth beside the imputations.
        products: Of every method in turn: components of its latents, their colours, and its imputed slices.
    """
    if SKIPPED in summary:
        return {"none": empty_figure(summary[SKIPPED])}
    uncertainty = {method: found["uncertainty"] for method, found in summary["methods"].items()}
    figures = {
        "sparsification": sparsification_curves(uncertainty),
        "inputs": deviation_by_inputs(uncertainty),
        "temperature": temperature_curves({m: found["temperature"] for m, found in summary["methods"].items()}),
    }
    for number, method in enumerate(GENERATIVE):
        components, colours, slices = products[3 * number : 3 * number + 3]
        if method not in summary["methods"]:
            continue
        if slices:
            figures |= {f"{method}_{name}": drawn for name, drawn in _grids(slices, study, subjects).items()}
        if "latent" in summary["methods"][method] and components is not None:
            figures[f"{method}_latent"] = latent_scatter(components)
        if colours:
            subject = next(iter(colours)).partition("/")[0]
            pictures = {name.partition("/")[2]: image for name, image in colours.items()}
            figures[f"{method}_colours"] = latent_grid(pictures, subject=subject)
    return figures


def draw_expected_errors(summary: dict[str, Any]) -> dict[str, Figure]:
    """Of every packaged method: error left without the most doubtful voxels, and measured against expected error."""
    if SKIPPED in summary:
        return {"none": empty_figure(summary[SKIPPED])}
    return {method: expected_error_figure(found) for method, found in summary["methods"].items()}


def _grids(slices: dict[str, np.ndarray], study: dict[str, Any], subjects: SubjectStore) -> dict[str, Figure]:
    """Imputations from every set of inputs, and errors beside deviations from the smallest and the largest."""
    modalities, subject = study["modalities"], next(iter(slices)).partition("/")[0]
    file = subjects.open(subject)
    truth = file.slice(telling_slice(file.mask(), file.segmentation()))
    channel = {name: position for position, name in enumerate(modalities)}
    found: dict[str, dict[str, np.ndarray]] = {"mean": {}, "deviation": {}}
    for name, images in slices.items():
        _, inputs, kind = name.split("/")
        found[kind][inputs] = images
    order = sorted(found["mean"], key=lambda text: (text.count("+"), [channel[part] for part in text.split("+")]))
    means = {inputs: found["mean"][inputs] for inputs in order}
    extremes = {0, len(modalities) - 2}
    shown = {inputs: images for inputs, images in means.items() if inputs.count("+") in extremes}
    return {
        "subsets": subset_grid(truth, modalities, means, subject=subject),
        "doubt": doubt_grid(truth, modalities, shown, found["deviation"], subject=subject),
    }
