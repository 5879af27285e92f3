"""The template examines any method that draws samples, in its namespace; incomplete cohorts are no obstacle."""

import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, UncertaintyParameters
from mrisynth_pipeline.models.baselines import LinearRegression
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.methods import GENERATIVE
from mrisynth_pipeline.pipelines.products import of_this_study
from mrisynth_pipeline.pipelines.uncertainty import (
    examine_latent,
    impute_doubt,
    score_doubt,
    uncertainty_template,
)

THREE = ("t1", "t2", "pd")
PARAMETERS = UncertaintyParameters(n_samples=2, temperatures=(0.0, 1.0), components=2)
EVALUATION = EvaluationParameters(device="cpu")


@pytest.fixture
def model(doubtful):
    return TrainedModel(doubtful(THREE), {})


def test_a_further_generative_method_is_a_name():
    pipeline = uncertainty_template("another")
    shared = {"study", "subjects", "params:uncertainty", "params:evaluation"}
    assert pipeline.inputs() == {"another.model"} | shared
    kinds = ("uncertainty_scores", "temperature_scores", "latent_components", "latent_distances")
    assert pipeline.outputs() == {f"another.{kind}" for kind in (*kinds, "latent_slices", "doubt_slices")}
    assert {node.namespace for node in pipeline.nodes} == {"another"}


@pytest.mark.parametrize("env", ["base", "test", "ixi", "brats"])
def test_every_product_and_parameter_has_an_entry(configured, env):
    raw_dir = {"cohort": {"raw_dir": "unpacked"}} if env in {"ixi", "brats"} else {}
    configuration = configured(env, raw_dir)
    for name in uncertainty_template(GENERATIVE[0]).all_outputs():
        assert type(configuration.catalog.get(name)).__name__.startswith("Optional"), name
    group = configuration.parameters["uncertainty"]
    UncertaintyParameters.model_validate(group if isinstance(group, dict) else group.model_dump())


def test_tables_are_of_this_study(model, trio, trio_study):
    scores, temperatures = score_doubt(model, trio_study, trio, PARAMETERS, EVALUATION)
    assert set(scores["subject"]) == {"d", "e", "f"}
    assert set(temperatures["subject"]) == {"d", "e"}
    components, distances, pictures = examine_latent(model, trio_study, trio, PARAMETERS, EVALUATION)
    tables = [scores, temperatures, components, distances]
    assert len(of_this_study(trio_study, tables)) == 4
    assert all(set(table["method"]) == {"doubtful"} for table in tables)
    assert set(components["inputs"]) == {"t1", "t2", "pd", "t1+t2", "t1+pd", "t2+pd", "t1+t2+pd"}
    assert pictures["d/t1"].shape == (3, 32, 32)


def test_examples_are_of_a_complete_subject(model, trio, trio_study):
    slices = impute_doubt(model, trio_study, trio, PARAMETERS, EVALUATION)
    assert len(slices) == 2 * 6
    assert slices["d/t1+t2/deviation"].shape == (3, 32, 32)
    assert slices["d/t1+t2/deviation"][2].max() > 0


def test_where_nobody_is_complete_there_are_scores_and_no_pictures(doubtful, subjects, study):
    model, lacking = TrainedModel(doubtful(("t1", "t2")), {}), study | {"test": ["d"], "complete": ["a"]}
    scores, _ = score_doubt(model, lacking, subjects, PARAMETERS, EVALUATION)
    assert len(scores) == 2
    assert impute_doubt(model, lacking, subjects, PARAMETERS, EVALUATION) == {}
    components, distances, pictures = examine_latent(model, lacking, subjects, PARAMETERS, EVALUATION)
    assert (len(components), len(distances), len(pictures)) == (0, 0, 0)


def test_a_method_without_latent_has_none_to_examine(model, trio, trio_study, monkeypatch):
    monkeypatch.delattr(type(model.network), "latent")
    components, _, pictures = examine_latent(model, trio_study, trio, PARAMETERS, EVALUATION)
    assert components.empty
    assert pictures == {}


def test_a_method_without_samples_is_refused(trio, trio_study):
    with pytest.raises(InputError, match=r"linear\.model: it gives one answer"):
        score_doubt(TrainedModel(LinearRegression(THREE), {}), trio_study, trio, PARAMETERS, EVALUATION)


@pytest.mark.parametrize("option", ["inputs", "temperature_inputs"])
def test_inputs_of_another_study_are_named(model, trio, trio_study, option):
    wrong = PARAMETERS.model_copy(update={option: ("t1", "flair")})
    with pytest.raises(InputError, match=rf"uncertainty\.{option}: 'flair' names \['flair'\], which the study lacks"):
        score_doubt(model, trio_study, trio, wrong, EVALUATION)


def test_the_device_is_that_of_the_evaluation(model, trio, trio_study):
    moved = {}
    model.network.to, original = lambda device: moved.update(device=device) or original(device), model.network.to
    assert np.isfinite(impute_doubt(model, trio_study, trio, PARAMETERS, EVALUATION)["d/t1/mean"]).all()
    assert moved["device"].type == "cpu"
