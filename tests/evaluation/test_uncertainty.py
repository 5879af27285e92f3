"""A toy whose spread is known is measured to have it; nobody is asked for what is not there."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, UncertaintyParameters
from mrisynth_pipeline.evaluation.uncertainty import doubt_example, score_temperatures, score_uncertainty
from mrisynth_pipeline.metrics.image import volume_psnr
from mrisynth_pipeline.models.door import impute_volume

CONTRASTS = ("t1", "t2", "pd")
EVALUATION = EvaluationParameters()
FEW = UncertaintyParameters(n_samples=4, subjects=2)


@pytest.fixture(scope="module")
def scores(brains, doubtful):
    return score_uncertainty(doubtful(CONTRASTS), brains, ["anna", "bert", "same"], FEW, EVALUATION)


def test_every_pair_of_so_many_subjects(scores):
    assert set(scores["subject"]) == {"anna", "bert"}
    assert set(scores["method"]) == {"doubtful"}
    assert scores.groupby("subject").size().to_dict() == {"anna": 9, "bert": 9}
    assert not scores.duplicated(["subject", "inputs", "target"]).any()


def test_the_spread_is_that_of_the_draws_and_falls_with_inputs(scores, brains):
    found = scores.set_index(["subject", "inputs", "target"])
    file = brains.open("anna")
    t1 = file.volumes()[0][file.mask()]
    of_four = 0.921  # of four draws the root of the unbiased variance is too small by this on average
    assert found.loc[("anna", "t1", "pd"), "deviation"] == pytest.approx(of_four * 0.1 * (1 - t1).mean(), rel=0.05)
    by_inputs = scores.groupby("n_inputs")["deviation"].mean()
    assert by_inputs[2] < 0.7 * by_inputs[1]


def test_errors_are_those_of_the_mean_of_the_draws(scores, brains, doubtful):
    file = brains.open("bert")
    volumes, mask = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask())
    mean = impute_volume(doubtful(CONTRASTS), volumes, torch.tensor([True, False, True]))
    expected = float((mean[1] - volumes[1]).abs()[mask].mean())
    row = scores[(scores["subject"] == "bert") & (scores["inputs"] == "t1+pd")].iloc[0]
    assert row["target"] == "t2"
    assert row["error"] == pytest.approx(expected, rel=0.05)
    assert row["left_0"] == row["error"] == row["oracle_0"]


def test_what_was_never_scanned_is_neither_given_nor_scored(incomplete_brains, doubtful):
    scores = score_uncertainty(doubtful(CONTRASTS), incomplete_brains, ["anna", "bert"], FEW, EVALUATION)
    anna = scores[scores["subject"] == "anna"]
    assert set(anna["inputs"]) == {"t1", "t2"}
    assert set(anna["target"]) == {"t1", "t2"}
    assert np.isfinite(scores.drop(columns=["method", "subject", "inputs", "target"])).all(axis=None)


def test_subsets_can_be_chosen(brains, doubtful):
    few = FEW.model_copy(update={"inputs": ("t2", "t1+pd")})
    scores = score_uncertainty(doubtful(CONTRASTS), brains, ["anna"], few, EVALUATION)
    assert scores.groupby("inputs")["target"].apply(list).to_dict() == {"t2": ["t1", "pd"], "t1+pd": ["t2"]}
    wrong = FEW.model_copy(update={"inputs": ("flair",)})
    with pytest.raises(ValueError, match="flair"):
        score_uncertainty(doubtful(CONTRASTS), brains, ["anna"], wrong, EVALUATION)


def test_no_spread_is_no_crash(brains, doubtful):
    sure = doubtful(CONTRASTS, width=0.0)
    scores = score_uncertainty(sure, brains, ["anna"], FEW.model_copy(update={"inputs": ("t1",)}), EVALUATION)
    assert (scores["deviation"] == 0).all()
    assert scores["spearman"].isna().all()
    np.testing.assert_allclose(scores["ause"], 1.0)


class TestTemperatures:
    @pytest.fixture
    def found(self, brains, doubtful):
        few = FEW.model_copy(update={"temperature_inputs": ("t1",), "temperature_subjects": 1})
        scores = score_temperatures(doubtful(CONTRASTS), brains, ["anna", "bert"], few, EVALUATION)
        assert set(scores["subject"]) == {"anna"}
        assert len(scores) == 2 * 5
        return scores.set_index(["target", "temperature"])

    def test_without_temperature_draws_are_the_prediction(self, found, brains, doubtful):
        volumes = torch.from_numpy(brains.open("anna").volumes())
        imputed = impute_volume(doubtful(CONTRASTS), volumes, torch.tensor([True, False, False]))
        expected = volume_psnr(imputed[1], volumes[1], torch.from_numpy(brains.open("anna").mask()))
        cold = found.loc[("t2", 0.0)]
        assert cold["mean_psnr"] == pytest.approx(expected, abs=1e-3)
        assert cold["single_psnr"] == pytest.approx(expected, abs=1e-3)
        assert cold["deviation"] == 0

    def test_a_draw_alone_is_worse_the_hotter_it_is(self, found):
        single, mean = found.loc["pd", "single_psnr"], found.loc["pd", "mean_psnr"]
        assert single.is_monotonic_decreasing
        assert (single < mean)[1:].all()
        assert found.loc["pd", "deviation"].is_monotonic_increasing

    def test_the_error_of_a_draw_is_that_of_the_draws(self, found, brains, doubtful):
        file, method = brains.open("anna"), doubtful(CONTRASTS)
        volumes, mask = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask())
        available = torch.tensor([True, False, False])
        inside = (volumes[0] != 0).flatten(1).any(1).nonzero()[:, 0]
        errors, generator = torch.zeros(4), torch.Generator().manual_seed(0)
        for part in inside.split(EVALUATION.batch_size):
            shown = volumes[:, part].transpose(0, 1) * available[:, None, None]
            draws = method.draw(shown, available.expand(len(part), -1), 1.0, generator)
            for number, images in zip(range(4), draws, strict=False):
                squared = (images[:, 2].clamp(0, 1) - volumes[2, part]).square()
                errors[number] += squared[mask[part]].sum().detach()
        expected = -10 * np.log10(float(errors.mean()) / int(mask.sum()))
        assert found.loc[("pd", 1.0), "single_psnr"] == pytest.approx(expected, abs=1e-3)


def test_the_default_of_the_sweep_are_the_subsets_of_the_examples(brains, doubtful):
    few = FEW.model_copy(update={"temperatures": (0.0,)})
    scores = score_temperatures(doubtful(CONTRASTS), brains, ["anna"], few, EVALUATION)
    assert set(scores["inputs"]) == {"t1", "t1+pd"}


def test_examples_show_every_subset_of_one_slice(brains, doubtful):
    slices = doubt_example(doubtful(CONTRASTS), brains, "anna", FEW, EVALUATION)
    assert len(slices) == 2 * 6
    file = brains.open("anna")
    z = int(file.mask().sum((1, 2)).argmax())
    np.testing.assert_array_equal(slices["t1+pd/mean"][0], file.slice(z)[0])
    assert (slices["t1+pd/deviation"][0] == 0).all()
    assert slices["t1+pd/deviation"][1].max() > 0
