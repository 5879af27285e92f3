"""Methods beside the default one, on the products of a default run: judged, given displaced inputs, taken apart."""

import html
import json
import re
import shutil

import pandas as pd
import pytest

from mrisynth_pipeline.pipelines.trials import run_trials

ONE_SEED = {"aginet_ablation": {"seeds": 1}}


@pytest.fixture(scope="module")
def more_methods(finished_project, tmp_path_factory):
    """The finished project with more methods trained and all methods tried on misaligned inputs.

    All tests here run in it, each on products of its own: a tracking database takes seconds to make.
    """
    project = finished_project.copy(tmp_path_factory.mktemp("more") / "project")
    project.run(pipeline_names=["neuroquant", "resunet", "aginet", "mmhvae", "robustness", "reporting"])
    return project


class TestMoreMethods:
    def test_they_stand_in_the_table_and_in_the_summary(self, more_methods):
        table = (more_methods.data / "08_reporting" / "results_table.txt").read_text()
        for name in ("NeuroQuant", "ResUNet", "AGI-Net", "MMHVAE", "CodeBrain", "Linear regression"):
            assert name in table
        summary = json.loads((more_methods.data / "08_reporting" / "evaluation_summary.json").read_text())
        assert {"neuroquant", "resunet", "aginet", "mmhvae"} <= set(summary["methods"])

    @pytest.mark.parametrize("method", ["resunet", "aginet", "mmhvae"])
    def test_scores_slices_and_curves_of_each_are_kept(self, more_methods, method):
        scores = pd.read_parquet(more_methods.data / "07_model_output" / method / "scores.parquet")
        assert set(scores["method"]) == {method}
        assert len(scores) == 28 * scores["subject"].nunique()
        assert (more_methods.data / "08_reporting" / "figures" / "training_curves" / f"{method}_training.png").is_file()
        segmented = pd.read_parquet(more_methods.data / "07_model_output" / method / "segmentation_scores.parquet")
        assert set(segmented["method"]) == {method}

    def test_every_trained_method_was_given_the_same_misaligned_inputs(self, more_methods):
        summary = json.loads((more_methods.data / "08_reporting" / "robustness_summary.json").read_text())
        assert summary["methods"] == ["codebrain", "neuroquant", "resunet", "aginet", "mmhvae", "linear", "mean"]
        assert summary["kinds"] == ["translation_pixels", "translation_mm"]
        assert summary["registered"] is True
        assert summary["warnings"] == []
        figures = {path.stem for path in (more_methods.data / "08_reporting" / "figures" / "robustness").glob("*.png")}
        assert figures == {"curves", "cost", "example"}

    def test_the_report_has_their_numbers_and_a_section_on_misaligned_inputs(self, more_methods):
        report = (more_methods.data / "08_reporting" / "report.html").read_text()
        assert 'id="robustness"' in report
        assert "AGI-Net" in report
        assert "ResUNet" in report
        assert not re.search(r"(src|href)=\"(https?:)?//", report)

    def test_neuroquant_s_codes_are_examined_in_a_section_of_the_report(self, more_methods):
        summary = json.loads((more_methods.data / "08_reporting" / "codebook_summary.json").read_text())
        assert set(summary) == {"reconstruction", "swaps", "use", "anatomy"}
        assert summary["reconstruction"]["methods"]["neuroquant"]["n_subjects"] == 1
        assert 0 < summary["use"]["neuroquant"]["usage"] <= 1
        figures = {path.stem for path in (more_methods.data / "08_reporting" / "figures" / "codebook").glob("*.png")}
        assert figures == {"reconstruction", "swap", "codebook"}
        report = (more_methods.data / "08_reporting" / "report.html").read_text()
        assert 'id="codes"' in report
        assert "Anatomy of" in report

    def test_the_doubt_of_mmhvae_is_examined_in_a_section_of_the_report(self, more_methods):
        reporting = more_methods.data / "08_reporting"
        summary = json.loads((reporting / "uncertainty_summary.json").read_text())
        assert set(summary["methods"]["mmhvae"]) == {"uncertainty", "temperature", "latent"}
        assert {path.suffix for path in (reporting / "figures" / "uncertainty").iterdir()} == {".png"}
        assert "How sure MMHVAE is" in (reporting / "report.html").read_text()

    def test_final_metrics_tell_amounts_apart(self, more_methods):
        names = {name for run in more_methods.mlflow_runs() for name in run.data.metrics}
        assert "robustness_summary.aginet.translation_mm.4.volume.psnr.mean" in names
        assert "robustness_summary.aginet.translation_mm.4.registered.volume.psnr.mean" in names


class TestAblation:
    def test_it_ends_in_a_page_and_repeats_no_training(self, more_methods, monkeypatch):
        project = more_methods
        project.run(ONE_SEED, pipeline_names=["aginet_ablation"])
        summary = json.loads((project.data / "08_reporting" / "aginet_ablation.json").read_text())
        variants = ["conv", "cga", "gr", "cagr", "frozen", "zero_fill", "conv_misaligned", "cagr_misaligned"]
        assert list(summary["aligned"]["methods"]) == variants
        page = (project.data / "08_reporting" / "aginet_ablation.html").read_text()
        assert "AGI-Net, part by part" in page
        assert not re.search(r"(src|href)=\"(https?:)?//", page)
        before = (project.data / "07_model_output" / "aginet_ablation" / "scores.parquet").read_bytes()

        def only_kept(trials, folder):
            for trial in trials:
                object.__setattr__(trial, "train", lambda _: pytest.fail("trained again"))
            return run_trials(trials, folder)

        monkeypatch.setattr("mrisynth_pipeline.pipelines.aginet_ablation.nodes.run_trials", only_kept)
        project.run(ONE_SEED, pipeline_names=["aginet_ablation"])
        assert (project.data / "07_model_output" / "aginet_ablation" / "scores.parquet").read_bytes() == before


def test_the_comparison_of_autoencoders_ends_in_a_page(more_methods):
    more_methods.run({"neuroquant_ablation": {"seeds": 1}}, pipeline_names=["neuroquant_ablation"])
    reporting = more_methods.data / "08_reporting"
    summary = json.loads((reporting / "neuroquant_ablation.json").read_text())
    peers = ["monai_vqvae", "monai_vqvae_longer"]
    assert list(summary["reconstruction"]["methods"]) == ["joint", "volumes_only", "continuous", *peers]
    assert set(summary["codes"]) == {"joint", "volumes_only", *peers}
    assert "autoencoder and its peer" in (reporting / "neuroquant_ablation.html").read_text()
    assert "VQ-VAE (MONAI)" in (reporting / "neuroquant_ablation.txt").read_text()


def test_codebrain_s_ablation_ends_in_a_page(more_methods):
    more_methods.run(pipeline_names=["ablation"])
    reporting = more_methods.data / "08_reporting"
    summary = json.loads((reporting / "ablation.json").read_text())
    assert list(summary["parameters"]) == ["full", "classification", "vq_codes"]
    assert set(summary["stages"]) == {"true_codes", "imputation"}
    assert "CodeBrain's ablation" in html.unescape((reporting / "ablation.html").read_text())
    assert "VQ codes (ours)" in (reporting / "ablation.txt").read_text()


def test_the_experiment_on_incomplete_cohorts_ends_in_a_page(more_methods):
    more_methods.run(pipeline_names=["incomplete_cohorts"])
    reporting = more_methods.data / "08_reporting"
    summary = json.loads((reporting / "incomplete_cohorts.json").read_text())
    contestants = ["mmhvae", "mmhvae_no_pool", "codebrain", "codebrain_incomplete", "linear"]
    assert sorted(summary["variants"]) == sorted(contestants)
    assert summary["fractions"] == [0.0, 0.5]
    for name in ("mmhvae", "linear"):
        assert summary["variants"][name]["0.5"]["subjects"] == summary["variants"][name]["0"]["subjects"]
    assert "Training on incomplete cohorts" in (reporting / "incomplete_cohorts.html").read_text()
    assert "MMHVAE" in (reporting / "incomplete_cohorts.txt").read_text()


class TestRefused:
    def refused(self, project, *arguments: str) -> str:
        """The one line with which the command line ends."""
        outcome = project.command("run", "--env", "test", *arguments)
        assert outcome.exit_code == 1
        assert isinstance(outcome.exception, SystemExit), "no traceback"
        lines = [line for line in outcome.output.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1
        return lines[0]

    def test_without_a_study(self, more_methods):
        line = self.refused(more_methods, "--pipelines", "aginet", "--params", "data_dir=nothing")
        assert "nothing/05_model_input/study.json: is not there. Run the pipeline that makes it first" in line

    def test_without_a_model(self, more_methods):
        shutil.copytree(more_methods.data / "05_model_input", more_methods.folder / "untrained" / "05_model_input")
        nodes = ("--pipelines", "aginet", "--nodes", "aginet.score")
        line = self.refused(more_methods, *nodes, "--params", "data_dir=untrained")
        assert "untrained/06_models/aginet/model: is not there. Make it first: kedro run --pipelines aginet" in line

    def test_without_the_model_of_another_pipeline_that_one_is_named(self, more_methods):
        shutil.copytree(more_methods.data / "05_model_input", more_methods.folder / "unstaged" / "05_model_input")
        nodes = ("--pipelines", "evaluation", "--nodes", "codebrain.score")
        line = self.refused(more_methods, *nodes, "--params", "data_dir=unstaged")
        assert "unstaged/06_models/codebrain/model: is not there. Make it first: kedro run --pipelines stage2" in line

    def test_with_a_scenario_of_another_study(self, more_methods):
        wrong = "aginet.architecture.scenario=t1+t2->pd"
        line = self.refused(more_methods, "--pipelines", "aginet", "--params", wrong)
        assert "aginet.architecture: scenario 't1+t2->pd' names ['pd'], which the study lacks" in line
        assert "FAILED" in [run.info.status for run in more_methods.mlflow_runs()]
