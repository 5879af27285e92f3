"""ResUNet and AGI-Net train on slices and on patches; what does not fit the study is said in a line."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.models.aginet import AGINet, AGINetArchitecture
from mrisynth_pipeline.models.resunet import ResUNet, ResUNetArchitecture
from mrisynth_pipeline.pipelines.aginet.nodes import train_aginet
from mrisynth_pipeline.pipelines.evaluation.nodes import impute_examples, score_method
from mrisynth_pipeline.pipelines.resunet.nodes import train_resunet
from mrisynth_pipeline.training.translation import TranslationParameters

OPTIMISATION = {"steps": 2, "batch_size": 2, "validation_samples": 2, "validate_every": 1, "checkpoint_every": 1}
QUICK = TranslationParameters(discriminator_width=2, optimisation=OPTIMISATION)
SOLID = TranslationParameters(patch_size=(16, 16, 8), adversarial_weight=0.0, optimisation=OPTIMISATION)
BENT = SOLID.model_copy(update={"augmentation": QUICK.augmentation.model_copy(update={"elastic": True})})
EVALUATION = EvaluationParameters(device="cpu", minimum_brain_area=0.05, example_subjects=1)
METHODS = {
    "resunet": (train_resunet, ResUNet, ResUNetArchitecture),
    "aginet": (train_aginet, AGINet, AGINetArchitecture),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dims", "training"), [(2, QUICK), (3, SOLID)], ids=["slices", "patches"])
def test_a_method_trains_and_is_scored_on_every_pair(trio, trio_study, tmp_path, method, dims, training):
    train, kind, sizes = METHODS[method]
    architecture = sizes(widths=(4, 8), spatial_dims=dims, window=(16, 16, 8))
    model, history = train(trio_study, trio, tmp_path / "work", architecture, training)
    assert isinstance(model.network, kind)
    assert (model.network.name, model.network.spatial_dims) == (method, dims)
    assert not model.network.training
    assert history["step"].max() == 2
    assert history["val_psnr_missing"].notna().any()
    assert model.card["training_data"]["subjects"] == 2
    assert model.card["parameters"] == sum(weight.numel() for weight in model.network.parameters())
    scores = score_method(model, trio_study, trio, EVALUATION)
    assert scores.groupby("subject").size().to_dict() == {"d": 9, "e": 9, "f": 9}
    assert np.isfinite(scores[["slice_psnr", "volume_psnr"]]).all(axis=None)


def test_a_training_depends_on_its_seed_alone(trio, trio_study, tmp_path):
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        torch.rand(number)
        training = QUICK.model_copy(update={"optimisation": QUICK.optimisation.model_copy(update={"seed": seed})})
        architecture = AGINetArchitecture(widths=(4, 8))
        model, _ = train_aginet(trio_study, trio, tmp_path / str(number), architecture, training)
        weights.append(model.network.network.head.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_fixed_scenario_is_scored_and_shown_where_it_was_made_for_it(trio, trio_study, tmp_path):
    architecture = ResUNetArchitecture(widths=(4, 8), scenario="t1+t2->pd")
    model, _ = train_resunet(trio_study, trio, tmp_path / "work", architecture, QUICK)
    scores = score_method(model, trio_study, trio, EVALUATION)
    assert set(zip(scores["inputs"], scores["target"], strict=True)) == {("t1+t2", "pd")}
    assert impute_examples(model, trio_study, trio, EVALUATION) == {}
    shown = EVALUATION.model_copy(update={"example_inputs": ("t1+t2", "t1")})
    assert list(impute_examples(model, trio_study, trio, shown)) == ["d_from_t1+t2"]


@pytest.mark.parametrize(
    ("architecture", "training", "words"),
    [
        ({"scenario": "t1->flair"}, QUICK, r"aginet\.architecture: scenario 't1->flair' names \['flair'\]"),
        ({"widths": (6, 12)}, QUICK, r"aginet\.architecture: n_groups=4 does not divide the 6 input channels"),
        ({"spatial_dims": 3, "window": (9, 16, 8)}, SOLID, r"window=\(9, 16, 8\) must be divisible by 2"),
        ({"spatial_dims": 3}, BENT, "not turned, moved or bent: set augmentation.elastic to false"),
        ({"spatial_dims": 3}, QUICK, r"at least 32 voxels each way and got 8×32×32\. Enlarge preprocessing\.grid"),
    ],
    ids=["scenario", "groups", "window", "augmentation", "discriminator"],
)
def test_what_does_not_fit_is_said_in_a_line(trio, trio_study, tmp_path, architecture, training, words):
    sizes = AGINetArchitecture(**{"widths": (4, 8), "window": (16, 16, 8)} | architecture)
    with pytest.raises(InputError, match=words) as caught:
        train_aginet(trio_study, trio, tmp_path / "work", sizes, training)
    assert "\n" not in str(caught.value)
