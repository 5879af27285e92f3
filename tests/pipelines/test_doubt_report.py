"""From the products of a generative method to the summary and the figures of the report; or to one line."""

import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, UncertaintyParameters
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.methods import GENERATIVE, SKIPPED
from mrisynth_pipeline.pipelines.products import must_not_lack
from mrisynth_pipeline.pipelines.reporting.doubt import DOUBT_CAPTIONS, draw_doubt
from mrisynth_pipeline.pipelines.reporting.pipeline import TABLES_OF_DOUBT
from mrisynth_pipeline.pipelines.reporting.summaries import summarise_doubt
from mrisynth_pipeline.pipelines.uncertainty import examine_latent, impute_doubt, score_doubt, uncertainty_template

EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100)
PARAMETERS = UncertaintyParameters(n_samples=2, temperatures=(0.0, 1.0), components=2)
[METHOD] = GENERATIVE


@pytest.fixture
def products(doubtful, trio, trio_study):
    """Everything the template makes, by name."""
    given = TrainedModel(doubtful(("t1", "t2", "pd")), {}), trio_study, trio, PARAMETERS, EVALUATION
    scores, temperatures = score_doubt(*given)
    components, distances, colours = examine_latent(*given)
    return {
        "uncertainty_scores": scores,
        "temperature_scores": temperatures,
        "latent_components": components,
        "latent_distances": distances,
        "latent_slices": colours,
        "doubt_slices": impute_doubt(*given),
    }


def summary_of(study, products):
    return summarise_doubt(study, EVALUATION, *(products[name] for name in TABLES_OF_DOUBT))


def figures_of(summary, study, store, products):
    chosen = ("latent_components", "latent_slices", "doubt_slices")
    return draw_doubt(summary, study, store, *(products[name] for name in chosen))


def test_everything_is_summed_up_and_drawn(products, trio, trio_study):
    summary = summary_of(trio_study, products)
    found = summary["methods"][METHOD]
    assert set(found) == {"uncertainty", "temperature", "latent"}
    assert found["uncertainty"]["n_subjects"] == 3
    json.dumps(summary, allow_nan=False)
    figures = figures_of(summary, trio_study, trio, products)
    assert set(figures) == set(DOUBT_CAPTIONS)
    assert METHOD in next(key for key in figures if key.endswith("subsets"))


def test_without_latent_there_are_the_other_figures(products, trio, trio_study):
    empty = pd.DataFrame({"method": []})
    lacking = products | {"latent_components": empty, "latent_distances": empty, "latent_slices": {}}
    summary = summary_of(trio_study, lacking)
    assert "latent" not in summary["methods"][METHOD]
    figures = figures_of(summary, trio_study, trio, lacking)
    assert set(figures) == {"sparsification", "inputs", "temperature", f"{METHOD}_subsets", f"{METHOD}_doubt"}
    only_numbers = figures_of(summary, trio_study, trio, lacking | {"doubt_slices": {}})
    assert set(only_numbers) == {"sparsification", "inputs", "temperature"}


def test_what_was_never_made_is_one_line(trio, trio_study):
    summary = summarise_doubt(trio_study, EVALUATION, *[None] * 4)
    assert f"kedro run --pipelines {METHOD},reporting" in summary[SKIPPED]
    assert set(draw_doubt(summary, trio_study, trio, None, None, None)) == {"none"}


def test_doubts_about_other_data_do_not_count(products, trio_study, caplog):
    summary = summary_of(trio_study | {"fingerprint": "others"}, products)
    assert SKIPPED in summary
    assert "are those of other data: left out" in caplog.text


def test_the_report_takes_every_product_and_needs_none(registered):
    made = uncertainty_template(METHOD).all_outputs()
    nodes = [node for node in registered["reporting"].nodes if node.func in (summarise_doubt, draw_doubt)]
    taken = {name for node in nodes for name in node.inputs if name.startswith(f"{METHOD}.")}
    assert taken == made
    assert not any(must_not_lack(node.func, name) for node in nodes for name in taken & set(node.inputs))


def test_a_method_that_is_never_unsure_is_drawn_all_the_same(doubtful, trio, trio_study, products):
    sure = TrainedModel(doubtful(("t1", "t2", "pd"), width=0.0), {})
    scores, temperatures = score_doubt(sure, trio_study, trio, PARAMETERS, EVALUATION)
    certain = products | {"uncertainty_scores": scores, "temperature_scores": temperatures}
    summary = summary_of(trio_study, certain)
    found = summary["methods"][METHOD]["uncertainty"]
    assert found["n_constant"] == found["n_scans"]
    assert np.isclose(found["overall"]["ause"]["mean"], 1)
    json.dumps(summary, allow_nan=False)
    assert set(figures_of(summary, trio_study, trio, certain)) == set(DOUBT_CAPTIONS)
