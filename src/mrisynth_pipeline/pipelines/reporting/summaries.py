"""One table of numbers from the scores of all methods that have been judged."""

from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.metrics.anatomy import summarise_anatomy
from mrisynth_pipeline.metrics.codes import summarise_codes
from mrisynth_pipeline.metrics.latent import summarise_latent
from mrisynth_pipeline.metrics.reconstruction import summarise_reconstructions, summarise_swaps
from mrisynth_pipeline.metrics.reliability import summarise_expected_errors
from mrisynth_pipeline.metrics.robustness import summarise_robustness
from mrisynth_pipeline.metrics.segmentation_statistics import summarise_segmentation
from mrisynth_pipeline.metrics.statistics import summarise_scores
from mrisynth_pipeline.metrics.uncertainty_statistics import summarise_temperatures, summarise_uncertainty
from mrisynth_pipeline.pipelines.methods import GENERATIVE, SKIPPED
from mrisynth_pipeline.pipelines.products import may_lack, of_this_study
from mrisynth_pipeline.pipelines.study import segmentation_obstacle


@may_lack("*scores")
def summarise_evaluation(
    study: dict[str, Any], parameters: EvaluationParameters, *scores: pd.DataFrame | None
) -> dict[str, Any]:
    """The numbers of the report from the scores of all methods that have been judged on this study.

    Raises:
        InputError: No method has been judged.
    """
    tables = of_this_study(study, scores)
    if not tables:
        remedy = "To judge the default ones run the pipeline evaluation first"
        raise InputError("report", "no method has been judged on this study yet", remedy)
    return summarise_scores(
        pd.concat(tables, ignore_index=True), n_resamples=parameters.bootstrap_samples, seed=parameters.seed
    )


@may_lack("*segmentation_scores")
def summarise_downstream(
    study: dict[str, Any], parameters: EvaluationParameters, *scores: pd.DataFrame | None
) -> dict[str, Any]:
    """Dice and HD95 by missing contrast, region and method; or why there are none."""
    tables = of_this_study(study, scores)
    if not tables and any(table is not None for table in scores):
        return {SKIPPED: segmentation_obstacle(study) or "no test subject could be segmented"}
    if not tables:
        return {SKIPPED: "no tumour has been segmented yet (kedro run --pipelines segmentation)"}
    table = pd.concat(tables, ignore_index=True)
    return summarise_segmentation(table, n_resamples=parameters.bootstrap_samples, seed=parameters.seed)


@may_lack("neuroquant.*")
def summarise_codebook(
    study: dict[str, Any],
    parameters: EvaluationParameters,
    reconstructions: pd.DataFrame | None,
    swaps: pd.DataFrame | None,
    counts: pd.DataFrame | None,
    codes: pd.DataFrame | None,
) -> dict[str, Any]:
    """What NeuroQuant's autoencoder gives back and what its codes tell; or why nothing is known of it.

    Returns:
        ``reconstruction`` (see ``summarise_reconstructions``), ``swaps`` (see ``summarise_swaps``), and, where there
        are codes, ``use`` (see ``summarise_codes``) and ``anatomy`` (see ``summarise_anatomy``).
    """
    bootstrap = {"n_resamples": parameters.bootstrap_samples, "seed": parameters.seed}
    found = [of_this_study(study, [table]) for table in (reconstructions, swaps, counts, codes)]
    if not found[0] or not found[1]:
        return {SKIPPED: "NeuroQuant has not been trained (kedro run --pipelines neuroquant,reporting)"}
    summary = {
        "reconstruction": summarise_reconstructions(found[0][0], **bootstrap),
        "swaps": summarise_swaps(found[1][0], **bootstrap),
    }
    if found[2] and found[3]:
        summary |= {"use": summarise_codes(found[2][0]), "anatomy": summarise_anatomy(found[3][0], **bootstrap)}
    return summary


@may_lack("*.uncertainty_scores", "*.temperature_scores", "*.latent_components", "*.latent_distances")
def summarise_doubt(
    study: dict[str, Any], parameters: EvaluationParameters, *tables: pd.DataFrame | None
) -> dict[str, Any]:
    """How sure every generative method is, and whether it knows when it is wrong; or why nothing is known of it.

    Args:
        study: Whose tables count.
        parameters: Of the bootstrap.
        tables: Of every method in turn: uncertainty and temperature scores, latent components and distances.

    Returns:
        ``methods``: method → ``uncertainty`` (see ``summarise_uncertainty``), ``temperature`` (see
        ``summarise_temperatures``) and, where it has a latent and somebody every contrast, ``latent`` (see
        ``summarise_latent``).
    """
    bootstrap = {"n_resamples": parameters.bootstrap_samples, "seed": parameters.seed}
    methods = {}
    for number, method in enumerate(GENERATIVE):
        own = [of_this_study(study, [table]) for table in tables[4 * number : 4 * number + 4]]
        scores, temperatures, components, distances = own
        if not scores or not temperatures:
            continue
        methods[method] = {
            "uncertainty": summarise_uncertainty(scores[0], **bootstrap),
            "temperature": summarise_temperatures(temperatures[0], **bootstrap),
        }
        if components and distances:
            methods[method]["latent"] = summarise_latent(components[0], distances[0], **bootstrap)
    if methods:
        return {"methods": methods}
    names = ",".join(GENERATIVE)
    return {SKIPPED: f"no generative method has been asked how sure it is (kedro run --pipelines {names},reporting)"}


@may_lack("*.doubt_scores")
def summarise_expected_error(study: dict[str, Any], *scores: pd.DataFrame | None) -> dict[str, Any]:
    """How well the expected errors of all packaged methods order and predict the errors; or why nothing is known.

    Returns:
        ``methods``: method → what :func:`~mrisynth_pipeline.metrics.reliability.summarise_expected_errors` says.
    """
    tables = of_this_study(study, scores)
    if not tables:
        return {SKIPPED: "no package has been calibrated and measured (kedro run --pipelines packaging,reporting)"}
    return {"methods": {str(table["method"].iloc[0]): summarise_expected_errors(table) for table in tables}}


@may_lack("*robustness_scores")
def summarise_misalignment(
    study: dict[str, Any], parameters: EvaluationParameters, *scores: pd.DataFrame | None
) -> dict[str, Any]:
    """What misalignment costs every method that was tried; or why nothing is known of it."""
    tables = of_this_study(study, scores)
    if not tables:
        return {SKIPPED: "no method was given misaligned inputs (kedro run --pipelines robustness,reporting)"}
    table = pd.concat(tables, ignore_index=True)
    return summarise_robustness(table, n_resamples=parameters.bootstrap_samples, seed=parameters.seed)
