"""CodeBrain's variants are trained alike, judged by both stages and compared; what cannot be is said beforehand."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture
from mrisynth_pipeline.models.packaging import load_model
from mrisynth_pipeline.pipelines import recipes
from mrisynth_pipeline.pipelines.ablation import nodes
from mrisynth_pipeline.pipelines.ablation.parameters import CodeBrainAblationParameters, settings_of
from mrisynth_pipeline.pipelines.study import parameter_count
from mrisynth_pipeline.reporting.codebrain_ablation import QUESTIONS

MODALITIES = ("t1", "t2", "pd")
OPTIMISATION = {"steps": 20, "batch_size": 2, "learning_rate": 2e-3, "validate_every": 2, "validation_samples": 2,
                "accelerator": "cpu", "ema_decay": 0.0}  # fmt: skip
CODEBRAIN = {
    "architecture": {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1, "codebook_size": 16},
    "stage1": {"discriminator_width": 2, "optimisation": OPTIMISATION},
    "stage2": {"optimisation": OPTIMISATION | {"steps": 10}},
}
EVALUATION = EvaluationParameters(device="cpu", bootstrap_samples=100)
VARIANTS = {
    "full": {},
    "classification": {"architecture": {"code_objective": "classification"}},
    "continuous_codes": {"architecture": {"quantise": False}},
    "vq_codes": {"architecture": {"quantiser": "vq"}},
}


def ablation(variants: dict | None = None, **options) -> CodeBrainAblationParameters:
    base = {"seeds": 2, "steps_share": 0.1, "subsets": "few"}
    return CodeBrainAblationParameters(variants=variants or VARIANTS, **base | options)


@pytest.fixture
def run(trio_study, trio, tmp_path):
    split = pd.DataFrame({"subject": list("abcdef"), "patient": list("abcdef")})

    def run(parameters: CodeBrainAblationParameters, study=trio_study, evaluation=EVALUATION):
        return nodes.run_variants(study, split, trio, tmp_path / "trials", CODEBRAIN, parameters, evaluation)

    return run


class TestSettings:
    def test_a_variant_changes_what_it_names_and_both_trainings_are_shortened_alike(self):
        variants = {"full": {}, "l1": {"stage1": {"reconstruction_loss": "l1"}}}
        full, l1 = (settings_of(name, 3, ablation(variants), CODEBRAIN) for name in variants)
        assert l1["architecture"] == full["architecture"]
        assert l1["stage2"] == full["stage2"]
        assert l1["stage1"] == full["stage1"].model_copy(update={"reconstruction_loss": "l1"})
        assert (full["stage1"].optimisation.steps, full["stage2"].optimisation.steps) == (2, 1)
        assert full["stage1"].optimisation.seed == full["stage2"].optimisation.seed == 3

    @pytest.mark.parametrize(
        ("changes", "shares"),
        [
            ({}, True),
            ({"architecture": {"code_objective": "classification"}}, True),
            ({"stage2": {"optimisation": {"learning_rate": 1e-3}}}, True),
            ({"stage1": {"reconstruction_loss": "l1"}}, False),
            ({"architecture": {"quantise": False, "code_objective": "classification"}}, False),
        ],
    )
    def test_who_has_codebrain_s_own_stage1_is_known(self, changes, shares):
        assert ablation({"full": {}, "odd": changes}).variants["odd"].shares_stage1 == shares

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"architecture": {"quantize": False}},
                r"ablation\.variants\.odd\.architecture: quantize: no such option\. Name options of codebrain\.archit",
            ),
            ({"stage1": {"reconstruction_loss": "l2"}}, r"odd\.stage1: reconstruction_loss: Input should be 'psnr' or"),
            ({"stage2": {"optimisation": {"steps": 0}}}, r"odd\.stage2: optimisation\.steps: Input should be greater"),
        ],
    )
    def test_a_wrong_option_is_named_with_its_variant(self, changes, words):
        with pytest.raises(InputError, match=words):
            settings_of("odd", 0, ablation({"full": {}, "odd": changes}), CODEBRAIN)

    def test_variants_that_are_needed_or_do_not_exist_are_named(self):
        with pytest.raises(ValueError, match=r"ablation\.only=full\+fsq names fsq: there are full, "):
            ablation(only="full+fsq")
        with pytest.raises(ValueError, match=r"ablation\.variants has no 'full'"):
            ablation({"one": {}, "two": {}})


class TestBeforeTraining:
    @pytest.mark.parametrize(
        ("parameters", "changes", "words"),
        [
            (ablation({"full": {}, "odd": {"architecture": {"codes": 8}}}), {}, r"odd\.architecture: codes: no such"),
            (ablation(folds=9), {}, r"ablation\.folds=9: the study has 6 patients"),
            (ablation(), {"test": []}, r"test part of brats"),
            (ablation(), {"complete": list("def")}, r"train part of brats: none of its 2 subjects has all of"),
        ],
        ids=["option", "folds", "nobody tested", "nobody trained"],
    )
    def test_what_cannot_be_is_said(self, run, trio_study, tmp_path, parameters, changes, words):
        with pytest.raises(InputError, match=words):
            run(parameters, study=trio_study | changes)
        assert not (tmp_path / "trials").exists()


class TestRun:
    def test_both_stages_of_all_variants_are_judged_alike_kept_and_compared(
        self, run, trio_study, tmp_path, monkeypatch
    ):
        scores, codes, trials = run(ablation(test_subjects=2))
        # variants, seeds, stages, test subjects; two targets of each contrast alone, one of all but one
        assert len(scores) == 4 * 2 * 2 * 2 * (3 * 2 + 3)
        assert not scores.duplicated(["variant", "seed", "stage", "subject", "inputs", "target"]).any()
        assert set(codes["variant"]) == {"full", "classification", "vq_codes"}
        assert codes.groupby("variant")["codebook_size"].first()["vq_codes"] == 16
        assert len(trials) == 8
        kept = load_model(tmp_path / "trials" / "vq_codes" / "seed_1" / "fold_0" / "model")
        assert isinstance(kept.network, CodeBrain)
        assert kept.network.architecture.vector_codes

        stage1 = scores[(scores["stage"] == "true_codes") & (scores["seed"] == 0)].set_index("variant")["volume_psnr"]
        assert stage1["classification"].tolist() == stage1["full"].tolist(), "trained anew, the same Stage I"
        assert stage1["vq_codes"].tolist() != stage1["full"].tolist()

        summary = nodes.summarise_variants(scores, codes, trials, ablation(), EVALUATION)
        assert json.loads(json.dumps(summary)) == summary
        compared = {
            stage: [test["first"] for test in found["comparisons"]] for stage, found in summary["stages"].items()
        }
        assert compared == {
            "true_codes": ["continuous_codes", "vq_codes"],
            "imputation": ["classification", "continuous_codes", "vq_codes"],
        }
        imputed = scores[(scores["stage"] == "imputation") & (scores["variant"] == "full")]
        found = summary["stages"]["imputation"]
        mean = found["scores"]["methods"]["full"]["overall"]["volume"]["psnr"]["mean"]
        assert mean == pytest.approx(imputed["volume_psnr"].mean())
        by_seed = imputed.groupby("seed")["volume_psnr"].mean()
        assert found["seed_means"]["full"] == pytest.approx(by_seed.tolist())
        assert found["seed_sd"]["full"] == pytest.approx(np.std(by_seed, ddof=1))
        assert "Is grading better than classification?" in nodes.tabulate_variants(summary)
        assert nodes.write_page(summary, trio_study).startswith("<!doctype html>")

        # What is judged otherwise is judged again; nothing is trained again.
        monkeypatch.setattr(recipes, "train_autoencoder", lambda *_: pytest.fail("trained again"))
        again, *_ = run(ablation(test_subjects=2), evaluation=EVALUATION.model_copy(update={"seed": 7}))
        pd.testing.assert_frame_equal(again, scores)
        more, *_ = run(ablation(test_subjects=1, subsets="all", only="full", seeds=1))
        assert sorted(more["subject"].unique()) == ["d"]

    def test_a_killed_run_goes_on(self, run, monkeypatch):
        train, done = recipes.train_code_predictor, []

        def killed(*arguments):
            if done:
                raise KeyboardInterrupt
            done.append(1)
            return train(*arguments)

        monkeypatch.setattr(recipes, "train_code_predictor", killed)
        with pytest.raises(KeyboardInterrupt):
            run(ablation(seeds=1, only="full+classification"))
        tracked = []
        monkeypatch.setattr(
            recipes, "train_code_predictor", lambda *arguments: (tracked.append(arguments[-1]), train(*arguments))[1]
        )
        _, _, trials = run(ablation(seeds=1, only="full+classification"))
        assert trials["variant"].tolist() == ["full", "classification"]
        assert tracked == ["ablation/classification/0/0/stage2"], "the first was not trained again"

    def test_in_folds_everybody_is_tested_on_once(self, run):
        scores, codes, trials = run(ablation(seeds=1, folds=2, only="full+vq_codes"))
        assert sorted(scores["subject"].unique()) == list("abcdef")
        assert (scores.groupby("subject")["fold"].nunique() == 1).all()
        summary = nodes.summarise_variants(scores, codes, trials, ablation(), EVALUATION)
        assert summary["folds"] == 2
        assert [test["n"] for test in summary["stages"]["imputation"]["comparisons"]] == [6]


@pytest.mark.parametrize("env", ["base", "test", "ixi", "brats"])
def test_every_variant_of_the_configuration_can_be_built(configured, env):
    raw_dir = {"cohort": {"raw_dir": "unpacked"}} if env in {"ixi", "brats"} else {}
    parameters = configured(env, raw_dir).parameters
    codebrain, asked = parameters["codebrain"], parameters["ablation"]
    assert {question.variant for question in QUESTIONS} | {"full"} == set(asked.variants)
    settings = {name: settings_of(name, 0, asked, codebrain) for name in asked.variants}
    full = settings["full"]["architecture"]
    assert full == CodeBrainArchitecture.model_validate(codebrain["architecture"])
    assert (full.common_features, full.quantise, full.quantiser, full.code_objective) == (True, True, "fsq", "grading")
    assert len({tuple(str(part) for part in options.values()) for options in settings.values()}) == len(settings)
    with torch.device("meta"):
        sizes = {name: parameter_count(CodeBrain(MODALITIES, each["architecture"])) for name, each in settings.items()}
    assert sizes["no_common"] < sizes["full"] == sizes["l1"]
