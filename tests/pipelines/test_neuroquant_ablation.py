"""NeuroQuant, its peer and its variants are trained alike and compared; what cannot be is said before any training."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.models.neuroquant import NeuroQuantArchitecture, NeuroQuantAutoencoder
from mrisynth_pipeline.models.packaging import load_model
from mrisynth_pipeline.models.vqvae import MonaiVQVAE, VQVAEArchitecture
from mrisynth_pipeline.pipelines.neuroquant_ablation import nodes
from mrisynth_pipeline.pipelines.neuroquant_ablation.parameters import NeuroQuantAblationParameters, settings_of
from mrisynth_pipeline.pipelines.study import parameter_count
from mrisynth_pipeline.training.anatomical import AnatomicalParameters

MODALITIES = ("t1", "t2", "pd")
ARCHITECTURE = NeuroQuantArchitecture(
    widths=(4, 8), heads=2, encoder_attention=(), decoder_attention=(), norm_groups=1, anatomical_channels=8,
    style_channels=4, film_hidden=8, codebook_size=16, codebook_dim=8, window=(16, 16, 8),
)  # fmt: skip
TRAINING = AnatomicalParameters(
    patch_size=(16, 16, 8),
    slices=2,
    optimisation={"steps": 50, "batch_size": 1, "accelerator": "cpu", "precision": "32-true", "validate_every": 50,
                  "validation_samples": 1, "warmup_steps": 0, "learning_rate": 1e-3, "ema_decay": 0.0},
)  # fmt: skip
EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100, ceiling_subjects=1)
VARIANTS = {
    "joint": {},
    "volumes_only": {"training": {"slice_probability": 0.0}},
    "continuous": {"architecture": {"quantise": False}},
    "monai_vqvae": {"network": "monai_vqvae"},
}


def ablation(variants: dict | None = None, **options) -> NeuroQuantAblationParameters:
    return NeuroQuantAblationParameters(variants=variants or VARIANTS, **{"seeds": 2, "steps": 2} | options)


def settings(name: str, changes: dict, seed: int = 0, **options):
    parameters = ablation({"joint": {}, name: changes}, **options)
    return settings_of(name, seed, parameters, ARCHITECTURE, TRAINING, MODALITIES)


@pytest.fixture
def run(trio_study, trio, tmp_path):
    split = pd.DataFrame({"subject": list("abcdef"), "patient": list("abcdef")})

    def run(parameters: NeuroQuantAblationParameters, study=trio_study, evaluation=EVALUATION):
        place = tmp_path / "trials"
        return nodes.run_variants(study, split, trio, place, ARCHITECTURE, TRAINING, parameters, evaluation)

    return run


class TestSettings:
    def test_a_variant_changes_what_it_names_and_nothing_else(self):
        architecture, training = settings("continuous", VARIANTS["continuous"], seed=3)
        assert architecture == ARCHITECTURE.model_copy(update={"quantise": False})
        assert training.optimisation == TRAINING.optimisation.model_copy(update={"seed": 3, "steps": 2})
        _, training = settings("volumes_only", VARIANTS["volumes_only"], steps=None)
        assert training == TRAINING.model_copy(update={"slice_probability": 0.0})

    def test_the_peer_has_the_same_latent_schedule_and_losses_and_as_many_weights(self):
        architecture, training = settings("monai_vqvae", VARIANTS["monai_vqvae"] | {"training": {}})
        assert isinstance(architecture, VQVAEArchitecture)
        assert architecture.reduction == ARCHITECTURE.reduction
        for option in ("codebook_size", "codebook_dim", "codebook_decay", "commitment_weight", "window", "overlap"):
            assert getattr(architecture, option) == getattr(ARCHITECTURE, option)
        _, ours = settings("same", {})
        assert training.model_dump() == ours.model_dump(include=set(type(training).model_fields))
        with torch.device("meta"):
            sizes = [
                parameter_count(MonaiVQVAE(MODALITIES, architecture)),
                parameter_count(NeuroQuantAutoencoder(MODALITIES, ARCHITECTURE)),
            ]
        assert abs(sizes[0] / sizes[1] - 1) < 0.05

    def test_the_peer_s_own_sizes_can_be_set(self):
        changes = {"network": "monai_vqvae", "architecture": {"channels": [5, 6], "residual_layers": 1}}
        architecture, _ = settings("monai_vqvae", changes | {"training": {"optimisation": {"learning_rate": 0.01}}})
        assert (architecture.channels, architecture.residual_layers) == ((5, 6), 1)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"architecture": {"quantize": False}}, "variants.odd: quantize: no such option. Name options of neuroqua"),
            ({"architecture": {"heads": 3}}, "variants.odd: heads=3 does not divide the widths [8], which have atten"),
            ({"training": {"slice_probability": 2}}, "variants.odd: slice_probability: Input should be less than or"),
            ({"network": "monai_vqvae", "training": {"swap_weight": 0.0}}, "variants.odd: swap_weight: no such option"),
            ({"network": "monai_vqvae", "architecture": {"channels": [4, 8, 8]}},
             "variants.odd: 3 channels beside 2 widths of neuroquant.architecture: latents of different size"),
        ],
    )  # fmt: skip
    def test_a_wrong_option_is_named_with_its_variant(self, changes, words):
        with pytest.raises(InputError) as caught:
            settings("odd", changes)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_variant_that_does_not_exist_is_named(self):
        with pytest.raises(ValueError, match=r"neuroquant_ablation\.only=joint\+vqvae names vqvae: there are joint, "):
            ablation(only="joint+vqvae")


class TestBeforeTraining:
    @pytest.mark.parametrize(
        ("parameters", "changes", "words"),
        [
            (ablation({"joint": {}, "odd": {"architecture": {"codes": 8}}}), {}, r"variants\.odd: codes: no such"),
            (ablation(folds=9), {}, r"neuroquant_ablation\.folds=9: the study has 6 patients"),
            (ablation(), {"test": []}, r"test part of brats: nobody is in it\. Set neuroquant_ablation\.folds"),
        ],
        ids=["option", "folds", "nobody"],
    )
    def test_what_cannot_be_is_said(self, run, trio_study, tmp_path, parameters, changes, words):
        with pytest.raises(InputError, match=words):
            run(parameters, study=trio_study | changes)
        assert not (tmp_path / "trials").exists()


class TestRun:
    def test_a_killed_run_goes_on_and_all_are_judged_alike_and_compared(
        self, run, trio_study, trio, tmp_path, monkeypatch
    ):
        train = nodes.train_vqvae

        def killed(*arguments):
            if arguments[1].optimisation.seed == 1:
                raise KeyboardInterrupt
            return train(*arguments)

        monkeypatch.setattr(nodes, "train_vqvae", killed)
        with pytest.raises(KeyboardInterrupt):
            run(ablation())
        monkeypatch.setattr(nodes, "train_vqvae", train)
        monkeypatch.setattr(nodes, "train_anatomical_autoencoder", lambda *_: pytest.fail("trained again"))
        scores, codes, trials = run(ablation())

        assert len(scores) == 4 * 2 * 3 * 3 * 2  # variants, seeds, test subjects (all), contrasts, regions
        assert not scores.duplicated(["variant", "seed", "subject", "modality", "region"]).any()
        assert set(codes["variant"]) == {"joint", "volumes_only", "monai_vqvae"}
        assert codes["n_tokens"].unique().tolist() == [3 * 3 * 2 * 8 * 8], "each position once"
        assert len(trials) == 8
        kept = load_model(tmp_path / "trials" / "monai_vqvae" / "seed_1" / "fold_0" / "model")
        assert isinstance(kept.network, MonaiVQVAE)
        assert kept.card["training_data"]["subjects"] == 2

        summary = nodes.summarise_variants(scores, codes, trials, EVALUATION)
        assert json.loads(json.dumps(summary)) == summary
        assert [entry["first"] for entry in summary["comparisons"]] == ["volumes_only", "continuous", "monai_vqvae"]
        assert {entry["second"] for entry in summary["comparisons"]} == {"joint"}
        [question] = summary["question"]
        assert (question["first"], question["second"], question["n"]) == ("joint", "monai_vqvae", 3)
        assert question["p_holm"] == question["p"]
        brain = scores[(scores["region"] == "brain") & (scores["variant"] == "joint")]
        overall = summary["reconstruction"]["methods"]["joint"]["overall"]
        assert overall["brain"]["psnr"]["mean"] == pytest.approx(brain["psnr"].mean())
        by_seed = brain.groupby("seed")["psnr"].mean()
        assert summary["seed_means"]["joint"] == pytest.approx(by_seed.tolist())
        assert summary["seed_sd"]["joint"] == pytest.approx(np.std(by_seed, ddof=1))
        assert [entry["seed"] for entry in summary["codes"]["joint"]] == [0, 1]
        assert "MONAI's VQ-VAE" in nodes.tabulate_variants(summary)
        assert nodes.write_page(summary, trio_study).startswith("<!doctype html>")

        # What is judged otherwise is judged again; nothing is trained again.
        monkeypatch.setattr(nodes, "train_vqvae", lambda *_: pytest.fail("trained again"))
        again, *_ = run(ablation(), evaluation=EVALUATION.model_copy(update={"seed": 7}))
        pd.testing.assert_frame_equal(again, scores)

    def test_in_folds_everybody_is_tested_on_once(self, run):
        scores, codes, trials = run(ablation(seeds=1, folds=2, only="joint+monai_vqvae"))
        assert sorted(scores.query("variant == 'joint'")["subject"].unique()) == list("abcdef")
        assert (scores.groupby("subject")["fold"].nunique() == 1).all()
        summary = nodes.summarise_variants(scores, codes, trials, EVALUATION)
        assert summary["folds"] == 2
        assert summary["question"][0]["n"] == 6
        assert [entry["fold"] for entry in summary["codes"]["joint"]] == [0, 1]


def made_up(levels: dict[str, float], subjects: str = "abcdef") -> tuple[pd.DataFrame, ...]:
    """Scores of two seeds; only "a" has t2, on which all are 6 dB worse. Codes and sizes of the two."""
    rows = [
        {"variant": name, "seed": seed, "fold": 0, "subject": subject, "modality": modality, "region": region}
        | {"psnr": level + seed - (6 if modality == "t2" else 0) - (1 if region == "volume" else 0), "ssim": 90.0}
        for name, level in levels.items()
        for seed in (0, 1)
        for subject in subjects
        for modality in (("t1", "t2") if subject == "a" else ("t1",))
        for region in ("volume", "brain")
    ]
    each = [{"variant": name, "seed": seed, "fold": 0} for name in levels for seed in (0, 1)]
    use = {"codebook_size": 16, "n_tokens": 90, "usage": 0.5, "perplexity": 7.0}
    return pd.DataFrame(rows), pd.DataFrame(each).assign(**use), pd.DataFrame(each).assign(parameters=10, seconds=1.0)


def test_a_subject_is_averaged_over_seeds_and_contrasts_before_subjects_are():
    summary = nodes.summarise_variants(*made_up({"joint": 30.0, "monai_vqvae": 28.0}), EVALUATION)
    brain = summary["reconstruction"]["methods"]["joint"]["overall"]["brain"]["psnr"]
    assert brain["n"] == 6
    assert brain["mean"] == pytest.approx((5 * 30.5 + 27.5) / 6)
    assert summary["question"][0]["mean_difference"] == pytest.approx(2.0)
    assert summary["seed_sd"]["joint"] == pytest.approx(np.sqrt(0.5))


def test_without_the_reference_there_is_nothing_to_compare():
    summary = nodes.summarise_variants(*made_up({"continuous": 30.0, "monai_vqvae": 28.0}), EVALUATION)
    assert summary["comparisons"] == summary["question"] == []


@pytest.mark.parametrize("env", ["base", "test", "ixi", "brats"])
def test_every_variant_of_the_configuration_can_be_built(configured, env):
    raw_dir = {"cohort": {"raw_dir": "unpacked"}} if env in {"ixi", "brats"} else {}
    parameters = configured(env, raw_dir).parameters
    ours, ablation_ = parameters["neuroquant"], parameters["neuroquant_ablation"]
    for name, variant in ablation_.variants.items():
        architecture, _ = settings_of(name, 0, ablation_, ours["architecture"], ours["stage1"], MODALITIES)
        with torch.device("meta"):
            made = (MonaiVQVAE if variant.network == "monai_vqvae" else NeuroQuantAutoencoder)(MODALITIES, architecture)
            full = NeuroQuantAutoencoder(MODALITIES, ours["architecture"])
        if variant.network == "monai_vqvae":
            assert abs(parameter_count(made) / parameter_count(full) - 1) < 0.05
