"""NeuroQuant's two stages train on subjects with two contrasts or more, and fill the default run's slot."""

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.framework.project import pipelines

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.models.neuroquant import NeuroQuant, NeuroQuantArchitecture
from mrisynth_pipeline.pipelines.evaluation.nodes import score_method
from mrisynth_pipeline.pipelines.neuroquant.nodes import train_autoencoder, train_code_predictor
from mrisynth_pipeline.pipelines.neuroquant.training import paired_samples
from mrisynth_pipeline.pipelines.slot import SlotParameters, fill_slot, two_stage_method
from mrisynth_pipeline.training.anatomical import AnatomicalParameters
from mrisynth_pipeline.training.index_prediction import IndexPredictionParameters

OPTIMISATION = {
    **{"steps": 2, "batch_size": 1, "warmup_steps": 1, "precision": "32-true"},
    **{"validation_samples": 1, "validate_every": 1, "checkpoint_every": 1},
}
SIZES = {
    **{"widths": (4, 8), "encoder_attention": (), "decoder_attention": (), "heads": 2, "norm_groups": 1},
    **{"anatomical_channels": 4, "style_channels": 2, "film_hidden": 4, "codebook_size": 8, "codebook_dim": 4},
    **{"window": (16, 16, 8), "gradient_checkpointing": False},
}
SMALL = NeuroQuantArchitecture(**SIZES)
STAGE1 = AnatomicalParameters(patch_size=(16, 16, 8), slices=2, slice_probability=1.0, optimisation=OPTIMISATION)
STAGE2 = IndexPredictionParameters(patch_size=(16, 16, 8), predictor_widths=(4, 8), optimisation=OPTIMISATION)
EVALUATION = EvaluationParameters(device="cpu", minimum_brain_area=0.05, example_subjects=1)


@pytest.fixture
def autoencoder(trio, trio_study, tmp_path):
    return train_autoencoder(trio_study, trio, tmp_path / "one", SMALL, STAGE1)


def test_both_stages_make_an_imputer_that_is_scored_on_every_pair(autoencoder, trio, trio_study, tmp_path):
    stage1, history = autoencoder
    assert history["val_psnr"].notna().any()
    assert bool(stage1.network.styles_remembered)
    method, history = train_code_predictor(stage1, trio_study, trio, tmp_path / "two", STAGE2)
    assert isinstance(method.network, NeuroQuant)
    assert history["val_code_accuracy"].notna().any()
    assert set(method.card["validation"]) == {"stage1", "stage2"}
    for name, weights in stage1.network.state_dict().items():
        assert torch.equal(method.network.autoencoder.state_dict()[name], weights), name
    scores = score_method(method, trio_study, trio, EVALUATION)
    assert scores.groupby("subject").size().to_dict() == {"d": 9, "e": 9, "f": 9}
    assert np.isfinite(scores[["slice_psnr", "volume_psnr"]]).all(axis=None)


def test_without_predictor_the_codes_are_those_nearest_to_the_mean_anatomy(autoencoder, trio, trio_study, tmp_path):
    none = STAGE2.model_copy(update={"predictor_widths": None})
    method, history = train_code_predictor(autoencoder[0], trio_study, trio, tmp_path / "two", none)
    assert method.network.predictor is None
    pd.testing.assert_frame_equal(history, pd.DataFrame({"step": []}))
    volumes, available = torch.rand(1, 3, 8, 16, 16), torch.tensor([[True, False, True]])
    assert torch.isfinite(method.network.impute(volumes, available)).all()


def test_continuous_anatomy_has_no_codes_to_predict(trio, trio_study, tmp_path):
    sizes = NeuroQuantArchitecture(**SIZES | {"quantise": False})
    model, _ = train_autoencoder(trio_study, trio, tmp_path / "one", sizes, STAGE1)
    with pytest.raises(InputError, match=r"neuroquant\.stage2\.predictor_widths: continuous .* null trains none"):
        train_code_predictor(model, trio_study, trio, tmp_path / "two", STAGE2)


def test_a_subject_with_one_contrast_is_left_out_with_a_word(subjects, study, caplog):
    members, (training, validation) = paired_samples(study, subjects, STAGE1, "neuroquant.stage1")  # "b" has T1 alone
    assert "1 of 2 train subjects have one contrast alone: left out" in caplog.text
    assert (members, training.subjects, validation.subjects) == (["a"], ["a"], ["c"])


def test_a_contrast_nobody_has_is_named(subjects, study, tmp_path):
    with pytest.raises(InputError, match="train part of brats: no subject with two or more contrasts has t1, t2"):
        train_autoencoder(study | {"train": ["b"]}, subjects, tmp_path / "one", SMALL, STAGE1)


def test_patches_smaller_than_the_window_of_ssim_are_refused(trio, trio_study, tmp_path):
    flat = STAGE1.model_copy(update={"patch_size": (16, 16, 4)})
    with pytest.raises(InputError, match=r"stage1\.patch_size: patches of 16×16×4 voxels are smaller than SSIM's 7\."):
        train_autoencoder(trio_study, trio, tmp_path / "one", SMALL, flat)


def test_an_augmentation_of_slices_is_refused(trio, trio_study, tmp_path):
    bent = STAGE1.model_copy(update={"augmentation": STAGE1.augmentation.model_copy(update={"elastic": True})})
    with pytest.raises(InputError, match=r"neuroquant\.stage1: .*augmentation\.elastic"):
        train_autoencoder(trio_study, trio, tmp_path / "one", SMALL, bent)


class TestSlot:
    @pytest.fixture(autouse=True)
    def _codebrain_again(self, registered):
        yield
        fill_slot(SlotParameters())
        pipelines.configure("mrisynth_pipeline.pipeline_registry")

    def test_the_quantiser_says_which_method_the_default_run_trains_and_judges(self):
        assert two_stage_method() == "codebrain"
        assert not fill_slot(SlotParameters(quantiser="fsq"))
        assert fill_slot(SlotParameters(quantiser="vq"))
        pipelines.configure("mrisynth_pipeline.pipeline_registry")
        made = pipelines["__default__"].all_outputs()
        assert {"neuroquant.autoencoder", "neuroquant.model", "neuroquant.scores", "linear.scores"} <= made
        assert {"neuroquant.segmentation_scores", "report"} <= made
        assert not {name for name in made if name.startswith("codebrain.")} - {"codebrain.code_usage"}
        assert pipelines["stage1"].all_outputs() & made == {"neuroquant.autoencoder", "neuroquant.stage1_history"}
        assert "neuroquant.model" in pipelines["stage2"].all_outputs()
