"""A package is the model with all that using it asks for; a method without a model is no obstacle."""

import json

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.datasets.model import OptionalPackageDataset
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, PackagingParameters
from mrisynth_pipeline.imaging.intensity import IntensityMap, typical_map
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.metrics.expected_error import ExpectedError
from mrisynth_pipeline.metrics.familiarity import Familiarity
from mrisynth_pipeline.models.baselines import LinearRegression
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.methods import SKIPPED
from mrisynth_pipeline.pipelines.packaging.nodes import prepare_package, score_package
from mrisynth_pipeline.pipelines.reporting.doubt import draw_expected_errors
from mrisynth_pipeline.pipelines.reporting.summaries import summarise_expected_error

THREE = ("t1", "t2", "pd")
PARAMETERS = PackagingParameters(n_samples=2, slices=4, inputs=("t1", "t1+t2"), test_subjects=2)
EVALUATION = EvaluationParameters(device="cpu")


@pytest.fixture
def described(trio_study):
    return trio_study | {"preprocessing": PreprocessingParameters().result_fields()}


@pytest.fixture
def model(doubtful):
    return TrainedModel(doubtful(THREE), {"modalities": list(THREE), "training_data": {"fingerprint": "scans"}})


def test_a_package_has_every_section_in_json(model, trio, described):
    package = prepare_package(model, described, trio, PARAMETERS, EVALUATION)
    card = json.loads(json.dumps(package.card))
    assert card["modalities"] == list(THREE), "what the card said before stays"
    assert card["package"] == {"version": 1, "planes": "auto"}
    assert PreprocessingParameters(**card["preprocessing"]) == PreprocessingParameters()
    doubt, known = ExpectedError.of(card["doubt"]), Familiarity.of(card["familiarity"])
    assert [doubt.covers(name) for name in THREE] == [False, True, True], "t1 is never missing in these inputs"
    assert (doubt.subjects, known.subjects) == (1, 2)
    assert package.network is model.network


def test_units_are_those_of_the_training_subjects():
    maps = [IntensityMap((0.0, high), (0.0, 1.0)) for high in (100.0, 200.0, 1000.0)]
    assert typical_map(maps) == IntensityMap((0.0, 200.0), (0.0, 1.0))
    bent = IntensityMap((0.0, 50.0, 200.0), (0.0, 0.5, 1.0))
    assert typical_map([bent, *maps[1:2], bent]) == bent


def test_scores_summary_and_figure_are_of_the_test_subjects(model, trio, described):
    package = prepare_package(model, described, trio, PARAMETERS, EVALUATION)
    scores = score_package(package, described, trio, PARAMETERS, EVALUATION)
    assert scores.attrs["study"] == described["fingerprint"]
    assert set(scores["subject"]) == {"d", "f"}, "evenly spread over three"
    summary = summarise_expected_error(described, scores, None)
    assert list(summary["methods"]) == ["doubtful"]
    assert summary["methods"]["doubtful"]["subjects"] == 2
    [(name, figure)] = draw_expected_errors(summary).items()
    assert (name, len(figure.axes)) == ("doubtful", 2)
    assert SKIPPED in summarise_expected_error(described | {"fingerprint": "of other scans"}, scores)


def test_without_validation_subjects_the_doubt_is_not_calibrated_and_says_so(model, trio, described, caplog):
    package = prepare_package(model, described | {"validation": []}, trio, PARAMETERS, EVALUATION)
    assert not any(ExpectedError.of(package.card["doubt"]).covers(name) for name in THREE)
    assert "not calibrated" in caplog.text
    summary = summarise_expected_error(described, score_package(package, described, trio, PARAMETERS, EVALUATION))
    assert SKIPPED in summary
    assert draw_expected_errors(summary)["none"].texts


@pytest.mark.parametrize("fingerprint", [None, "of other scans"])
def test_a_method_without_model_of_this_data_has_no_package(model, trio, described, fingerprint, tmp_path):
    other = fingerprint and TrainedModel(model.network, {"training_data": {"fingerprint": fingerprint}})
    assert prepare_package(other, described, trio, PARAMETERS, EVALUATION) == {}
    assert score_package(None, described, trio, PARAMETERS, EVALUATION).empty


def test_no_package_takes_an_older_one_away(tmp_path):
    dataset = OptionalPackageDataset(filepath=str(tmp_path / "package"))
    dataset.save({})
    assert dataset.load() is None
    dataset.save(TrainedModel(LinearRegression(THREE), {"package": {"version": 1}}))
    assert dataset.load().card["package"] == {"version": 1}
    dataset.save({})
    assert dataset.load() is None


def test_a_study_described_before_there_were_packages_says_what_to_run(model, trio, trio_study):
    with pytest.raises(InputError, match="--pipelines preprocessing"):
        prepare_package(model, trio_study, trio, PARAMETERS, EVALUATION)


def test_unknown_inputs_are_named(model, trio, described):
    wrong = PARAMETERS.model_copy(update={"inputs": ("dwi",)})
    with pytest.raises(InputError, match=r"packaging\.inputs"):
        prepare_package(model, described, trio, wrong, EVALUATION)
