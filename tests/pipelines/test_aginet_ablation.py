"""Variants are trained alike, judged on the same inputs, and compared; what cannot be is said before any training."""

import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.mechanism import MechanismParameters
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, RobustnessParameters
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.models.aginet import AGINetArchitecture
from mrisynth_pipeline.pipelines.aginet_ablation.nodes import (
    run_variants,
    summarise_variants,
    tabulate_variants,
    write_page,
)
from mrisynth_pipeline.pipelines.aginet_ablation.parameters import AblationParameters, settings_of
from mrisynth_pipeline.training.translation import TranslationParameters

ARCHITECTURE = AGINetArchitecture(widths=(4, 8))
TRAINING = TranslationParameters(
    discriminator_width=2, optimisation={"steps": 50, "batch_size": 2, "validation_samples": 2, "ema_decay": 0.0}
)
EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100)
PLAIN = {"architecture": {"strategy": "none", "widths": (4, 9)}}


def ablation(variants: dict | None = None, robustness: dict | None = None, **options) -> AblationParameters:
    few = {"translations_pixels": (2,), "translations_mm": (), "rotations_deg": (), "repeats": 1, "registration": False}
    return AblationParameters(
        variants=variants or {"conv": PLAIN, "cagr": {}},
        robustness=RobustnessParameters(**few | (robustness or {})),
        mechanism=MechanismParameters(slices=1, shifts=1),
        **{"seeds": 2, "steps": 2} | options,
    )


@pytest.fixture
def split() -> pd.DataFrame:
    return pd.DataFrame({"subject": list("abcdef"), "patient": list("abcdef")})


@pytest.fixture
def run(trio_study, trio, split, tmp_path):
    def run(parameters: AblationParameters, architecture=ARCHITECTURE, evaluation=EVALUATION, study=trio_study):
        return run_variants(
            study, split, trio, tmp_path / "trials", architecture, TRAINING, parameters, evaluation,
            PreprocessingParameters(),
        )  # fmt: skip

    return run


class TestSettings:
    def test_a_variant_changes_what_it_names_and_nothing_else(self):
        variants = {"conv": PLAIN, "far": {"training": {"misalignment": {"translation_mm": 6.0}}}}
        architecture, training = settings_of("conv", 3, ablation(variants), ARCHITECTURE, TRAINING)
        assert architecture == ARCHITECTURE.model_copy(update={"strategy": "none", "widths": (4, 9)})
        assert training.optimisation == TRAINING.optimisation.model_copy(update={"seed": 3, "steps": 2})
        assert training.misalignment == TRAINING.misalignment
        architecture, training = settings_of("far", 0, ablation(variants, steps=None), ARCHITECTURE, TRAINING)
        assert architecture == ARCHITECTURE
        assert training.misalignment == TRAINING.misalignment.model_copy(update={"translation_mm": 6.0})
        assert training.optimisation == TRAINING.optimisation

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"architecture": {"attenton": False}}, "variants.gr: attenton: no such option"),
            ({"architecture": {"rolling": "square"}}, "variants.gr: rolling: Input should be 'circular'"),
            ({"training": {"optimisation": {"steps": 0}, "l1_weight": -1.0}}, "variants.gr: l1_weight: "),
            ({"training": {"patch_size": [8, 8, 8]}}, r"variants.gr: patch_size=(8, 8, 8) must be at least 32"),
        ],
    )
    def test_a_wrong_option_is_named_with_its_variant(self, changes, words):
        with pytest.raises(InputError) as caught:
            settings_of("gr", 0, ablation({"conv": PLAIN, "gr": changes}), ARCHITECTURE, TRAINING)
        assert words in str(caught.value)
        assert str(caught.value).endswith("Name options of aginet.architecture and aginet.training")
        assert "\n" not in str(caught.value)


class TestBeforeTraining:
    @pytest.mark.parametrize(
        ("parameters", "architecture", "words"),
        [
            (
                ablation({"conv": PLAIN, "gr": {"architecture": {"n_groups": 3}}}),
                ARCHITECTURE,
                r"aginet_ablation\.variants\.gr: n_groups=3 does not divide",
            ),
            (
                ablation(robustness={"inputs": "t1"}),
                ARCHITECTURE,
                r"aginet_ablation\.robustness\.inputs: only t1 would be given",
            ),
            (
                ablation(robustness={"inputs": "t2+pd"}),
                ARCHITECTURE.model_copy(update={"scenario": "t1+t2->pd"}),
                r"aginet_ablation\.robustness\.inputs: nothing that scenario t1\+t2->pd was made for",
            ),
            (ablation(folds=9), ARCHITECTURE, r"aginet_ablation\.folds=9"),
        ],
        ids=["groups", "inputs", "scenario", "folds"],
    )
    def test_what_cannot_be_is_said(self, run, tmp_path, parameters, architecture, words):
        with pytest.raises(InputError, match=words):
            run(parameters, architecture)
        assert not (tmp_path / "trials").exists()


class TestRun:
    def test_variants_and_seeds_are_trained_judged_summed_up_and_kept(self, run, trio_study, monkeypatch):
        scores, offsets, trials = run(ablation())
        keys = ["variant", "seed", "subject", "target", "kind"]
        assert len(scores) == 2 * 2 * 3 * 3 * 2
        assert not scores.duplicated(keys).any()
        assert set(offsets["variant"]) == {"cagr"}, "the plain network has none"
        assert trials.groupby("variant")["parameters"].nunique().to_dict() == {"conv": 1, "cagr": 1}

        summary = summarise_variants(scores, offsets, trials, EVALUATION)
        assert json.loads(json.dumps(summary)) == summary
        assert (summary["seeds"], summary["folds"]) == (2, 1)
        assert [entry["first"] for entry in summary["comparisons"]] == ["cagr"]
        assert summary["question"][0]["n"] == 3, "subjects, not seeds"
        aligned = scores[(scores["kind"] == "none") & (scores["variant"] == "conv")]
        mean = summary["aligned"]["methods"]["conv"]["overall"]["volume"]["psnr"]["mean"]
        assert mean == pytest.approx(aligned["volume_psnr"].mean())
        by_seed = aligned.groupby("seed")["volume_psnr"].mean()
        assert summary["seed_sd"]["conv"] == pytest.approx(np.std(by_seed, ddof=1))
        assert {entry["variant"] for entry in summary["offsets"]} == {"cagr"}
        assert "AGI-Net" in tabulate_variants(summary)
        assert write_page(summary, trio_study).startswith("<!doctype html>")

        # What is judged otherwise is judged again; nothing is trained again.
        monkeypatch.setattr(
            "mrisynth_pipeline.pipelines.aginet_ablation.nodes.train_translator", lambda *_: pytest.fail("trained")
        )
        again, *_ = run(ablation())
        pd.testing.assert_frame_equal(again, scores)
        further, *_ = run(ablation(robustness={"translations_pixels": (4,)}))
        assert set(further["amount"]) == {0.0, 4.0}

    def test_in_folds_everybody_is_tested_on_once(self, run):
        scores, offsets, trials = run(ablation(seeds=1, folds=2))
        assert sorted(scores.query("variant == 'conv'")["subject"].unique()) == list("abcdef")
        assert (scores.groupby("subject")["fold"].nunique() == 1).all()
        summary = summarise_variants(scores, offsets, trials, EVALUATION)
        assert summary["folds"] == 2
        assert summary["question"][0]["n"] == 6
        assert {entry["fold"] for entry in summary["offsets"]} == {0, 1}


def test_registered_inputs_do_not_count_as_aligned():
    """After registration even what held still lies a little elsewhere: those rows belong to the robustness alone."""
    rows = []
    for variant, level in (("conv", 20.0), ("cagr", 21.0)):
        for subject in "ab":
            for registered, loss in ((False, 0.0), (True, 8.0)):
                rows.append(
                    {"variant": variant, "seed": 0, "fold": 0, "subject": subject, "inputs": "t1+t2", "target": "pd"}
                    | {"kind": "none", "amount": 0.0, "repeat": 0, "moved": "t1", "registered": registered}
                    | {"residual_mm": 0.1 * loss, "n_inputs": 2, "n_slices": 5}
                    | dict.fromkeys(("slice_psnr", "slice_ssim", "slice_mae"), level - loss)
                    | dict.fromkeys(("volume_psnr", "volume_ssim", "volume_mae"), level - loss)
                )
    trials = pd.DataFrame(
        {"variant": ["conv", "cagr"], "seed": 0, "fold": 0, "parameters": [10, 11], "seconds": [1.0, 2.0]}
    )
    summary = summarise_variants(pd.DataFrame(rows), pd.DataFrame({"variant": []}), trials, EVALUATION)
    assert summary["aligned"]["methods"]["cagr"]["overall"]["volume"]["psnr"]["mean"] == 21.0
    assert summary["question"][0]["mean_difference"] == 1.0
