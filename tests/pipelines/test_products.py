"""Products that nobody has made yet, and those that no longer count."""

import pandas as pd
import pytest

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.pipelines.evaluation.nodes import fit_baselines, score_method
from mrisynth_pipeline.pipelines.products import marked, may_lack, must_not_lack, of_this_study
from mrisynth_pipeline.pipelines.reporting.summaries import summarise_evaluation

EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100)


@may_lack("*.scores", "segmenter.model")
def _node(*_: object) -> None:
    return None


@pytest.mark.parametrize("name", ["codebrain.scores", "segmenter.model"])
def test_a_marked_node_may_lack_what_it_names(name):
    assert not must_not_lack(_node, name)


@pytest.mark.parametrize("name", ["study", "codebrain.model"])
def test_and_nothing_else(name):
    assert must_not_lack(_node, name)
    assert must_not_lack(lambda x: x, "codebrain.scores")


def test_tables_of_other_data_do_not_count(study, caplog):
    rows = pd.DataFrame({"method": ["old"]})
    new, old = marked(rows.copy(), study), marked(rows.copy(), study | {"fingerprint": "other"})
    assert of_this_study(study, [None, new, rows.head(0), old]) == [new]
    assert "The scores of old are those of other data" in caplog.text


def test_the_mark_survives_the_file(study, tmp_path):
    marked(pd.DataFrame({"method": ["linear"]}), study).to_parquet(tmp_path / "scores.parquet")
    assert len(of_this_study(study, [pd.read_parquet(tmp_path / "scores.parquet")])) == 1


def test_the_summary_holds_the_methods_that_have_been_judged(study, subjects):
    scores = [score_method(model, study, subjects, EVALUATION) for model in fit_baselines(study, subjects)]
    assert set(summarise_evaluation(study, EVALUATION, None, *scores)["methods"]) == {"linear", "mean"}
    with pytest.raises(ValueError, match="run the pipeline evaluation first"):
        summarise_evaluation(study, EVALUATION, None, None)
