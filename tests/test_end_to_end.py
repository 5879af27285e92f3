"""The whole way, tiny: scans in, report out. One run for all tests that only look at its products."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from mrisynth_pipeline.models.door import impute_volume
from mrisynth_pipeline.models.packaging import load_model
from mrisynth_pipeline.pipeline_registry import DEFAULT
from mrisynth_pipeline.pipelines.slot import default_methods

SCORE_COLUMNS = [
    *("method", "subject", "inputs", "n_inputs", "target"),
    *("slice_psnr", "slice_ssim", "slice_mae", "n_slices", "volume_psnr", "volume_ssim", "volume_mae"),
]
PAIRS_OF_FOUR_CONTRASTS = 28


@pytest.fixture
def nodes_run(caplog):
    """Names of the nodes that ran since the fixture was set up, as the terminal tells them."""
    caplog.set_level(logging.INFO, logger="mrisynth_pipeline.hooks")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "mrisynth_pipeline.hooks"]


def kedro(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """The command line, as a user sees it."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"},
    )


class TestProducts:
    def test_the_report_holds_the_numbers(self, finished_project):
        report = (finished_project.data / "08_reporting" / "report.html").read_text()
        assert '<span class="key">kind</span> <code>phantom</code>' in report, "settings are a tree"
        summary = json.loads((finished_project.data / "08_reporting" / "evaluation_summary.json").read_text())
        for method in default_methods():
            assert f"{summary['methods'][method]['overall']['slice']['psnr']:.2f}" in report
        assert 'src="data:image/png;base64,' in report, "figures are inside"
        assert not re.search(r"(src|href)=\"(https?:)?//", report), "nothing is loaded from elsewhere"

    def test_the_table_that_ends_the_run_names_every_method(self, finished_project):
        table = (finished_project.data / "08_reporting" / "results_table.txt").read_text()
        for method in ("CodeBrain", "Linear regression", "Mean image", "Stage I"):
            assert method in table

    @pytest.mark.parametrize("method", default_methods())
    def test_scores_have_every_pair_of_every_test_subject(self, finished_project, method):
        scores = pd.read_parquet(finished_project.data / "07_model_output" / method / "scores.parquet")
        study = json.loads((finished_project.data / "05_model_input" / "study.json").read_text())
        assert list(scores.columns[: len(SCORE_COLUMNS)]) == SCORE_COLUMNS
        assert set(scores["method"]) == {method}
        assert scores.groupby("subject").size().to_dict() == dict.fromkeys(study["test"], PAIRS_OF_FOUR_CONTRASTS)
        assert not scores.duplicated(["subject", "inputs", "target"]).any()
        assert scores[["slice_psnr", "slice_ssim", "slice_mae", "volume_psnr", "volume_mae"]].notna().all(axis=None)

    @pytest.mark.parametrize("method", default_methods())
    def test_models_load_and_impute(self, finished_project, method):
        model = load_model(finished_project.data / "06_models" / method / "model")
        study = json.loads((finished_project.data / "05_model_input" / "study.json").read_text())
        assert model.card["training_data"]["synthetic"] is True
        assert model.card["training_data"]["subjects"] == len(study["train"])
        assert model.card["modalities"] == study["modalities"]
        x, y, z = study["grid"]["size"]
        volumes, available = torch.rand(4, z, y, x), torch.tensor([True, False, False, True])
        imputed = impute_volume(model.network, volumes, available)
        assert imputed.shape == volumes.shape
        assert torch.equal(imputed[available], volumes[available])
        assert not torch.equal(imputed[~available], volumes[~available])

    def test_no_subject_of_the_test_part_was_trained_on(self, finished_project):
        study = json.loads((finished_project.data / "05_model_input" / "study.json").read_text())
        parts = [set(study[part]) for part in ("train", "validation", "test")]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts))

    def test_figures_are_pictures(self, finished_project):
        figures = sorted((finished_project.data / "08_reporting" / "figures").rglob("*.png"))
        assert len(figures) >= 10
        for figure in figures:
            with Image.open(figure) as picture:  # "none" is a line of text: why there is no figure
                assert min(picture.size) > (40 if figure.stem == "none" else 100), figure.name

    def test_times_of_all_nodes_are_kept(self, finished_project, registered):
        times = json.loads((finished_project.data / "08_reporting" / "run_times.json").read_text())
        assert set(times) == {node.name for node in registered["__default__"].nodes}
        assert {entry["stage"] for entry in times.values()} == set(DEFAULT) | {"packaging"}

    def test_nothing_is_left_outside_data_and_tracking(self, finished_project):
        made = {path.name for path in finished_project.folder.iterdir()} - {".viz"}  # kedro-viz's, ignored by git
        assert made == {"conf", "data", "mlflow.db", "mlruns", "pyproject.toml", "src", ".telemetry"}
        assert (finished_project.folder / "pyproject.toml").read_text().count("kedro_telemetry") == 0


class TestTracking:
    @pytest.fixture(scope="class")
    def run(self, finished_project):
        runs = finished_project.mlflow_runs()
        assert len(runs) == 1, "one MLflow run per Kedro run"
        return runs[0]

    def test_the_run_is_finished_and_says_of_which_code(self, run):
        assert run.info.status == "FINISHED"
        assert run.data.tags["git_commit"]

    def test_parameters_have_their_nested_names(self, run):
        assert run.data.params["codebrain.stage1.optimisation.steps"] == "6"
        assert run.data.params["preprocessing.registration.enabled"] == "True"
        assert run.data.params["cohort.kind"] == "phantom"
        assert not any("(" in name or value.startswith("{") for name, value in run.data.params.items())

    @pytest.mark.parametrize(
        "metric",
        [
            *("stage1-train_loss", "stage1-train_discriminator_loss", "stage1-val_psnr_missing"),
            *("stage2-train_loss", "stage2-val_code_accuracy", "segmentation-train_loss", "segmentation-val_dice"),
        ],
    )
    def test_trainings_log_their_steps(self, finished_project, run, metric):
        steps = [point.step for point in finished_project.tracking().get_metric_history(run.info.run_id, metric)]
        assert len(steps) >= 2
        assert steps == sorted(steps)

    def test_final_metrics_are_those_of_the_summaries(self, finished_project, run):
        summary = json.loads((finished_project.data / "08_reporting" / "evaluation_summary.json").read_text())
        for method in default_methods():
            name = f"evaluation_summary.methods.{method}.overall.slice.psnr"
            assert run.data.metrics[name] == pytest.approx(summary["methods"][method]["overall"]["slice"]["psnr"])
        assert "segmentation_summary.t1c.TC.codebrain.dice.mean" in run.data.metrics

    def test_artifacts_are_what_a_person_looks_at(self, finished_project, run):
        client = finished_project.tracking()

        def names(folder: str) -> set[str]:
            return {Path(file.path).name for file in client.list_artifacts(run.info.run_id, folder)}

        reporting = names("reporting")
        assert {"report.html", "results_table.txt", "evaluation_summary.json", "registration_montage.png"} <= reporting
        assert "run_times.json" not in reporting
        assert names("reporting/examples")
        assert names("model_cards") == {
            *(f"{method}.model" for method in default_methods()),
            "codebrain.autoencoder",
            "codebrain.package",
            "segmenter.model",
        }


class TestRunningAgain:
    def test_only_missing_outputs_has_nothing_to_do(self, finished_project, nodes_run, tmp_path):
        again = finished_project.copy(tmp_path / "again")
        again.run(only_missing_outputs=True)
        assert nodes_run() == []

    def test_only_missing_outputs_makes_what_is_missing(self, finished_project, nodes_run, tmp_path):
        again = finished_project.copy(tmp_path / "again")
        lost = again.data / "08_reporting" / "figures" / "scores_by_inputs.png"
        lost.unlink()
        again.run(only_missing_outputs=True)
        assert nodes_run() == ["reporting: draw_scores_by_inputs"]
        assert lost.is_file()

    def test_one_pipeline_runs_alone_and_touches_nothing_else(self, finished_project, nodes_run, tmp_path):
        again = finished_project.copy(tmp_path / "again")
        before = {path: path.stat().st_mtime_ns for path in again.data.rglob("*") if path.is_file()}
        again.run({"codebrain": {"stage2": {"optimisation": {"steps": 7}}}}, pipeline_names=["stage2"])
        assert nodes_run() == ["stage2: train_code_predictor"]
        changed = {
            path.relative_to(again.data).as_posix() for path, time in before.items() if path.stat().st_mtime_ns != time
        }
        assert changed == {
            "06_models/codebrain/model/model_card.json",
            "06_models/codebrain/model/weights.safetensors",
            "06_models/codebrain/stage2_history.csv",
            "06_models/codebrain/stage2_workspace/identity.json",
            *(path for path in changed if path.startswith("06_models/codebrain/stage2_workspace/")),
            "08_reporting/run_times.json",
        }
        history = pd.read_csv(again.data / "06_models" / "codebrain" / "stage2_history.csv")
        assert history["step"].max() == 7

    def test_prepared_subjects_are_left_as_they_are(self, finished_project, tmp_path):
        again = finished_project.copy(tmp_path / "again")
        files = sorted((again.data / "05_model_input" / "subjects").iterdir())
        before = [path.stat().st_mtime_ns for path in files]
        again.run(pipeline_names=["phantom", "ingestion", "preprocessing"])
        assert [path.stat().st_mtime_ns for path in files] == before


class TestFaults:
    def test_bad_input_ends_in_one_line_and_a_failed_run(self, temporary_project, tmp_path):
        empty = tmp_path / "empty"
        empty.mkdir()
        outcome = kedro(
            temporary_project.folder, "run", "--env", "test", "--params", f"cohort.kind=brats,cohort.raw_dir={empty}"
        )
        assert outcome.returncode == 1
        assert "Traceback" not in outcome.stdout + outcome.stderr
        last = outcome.stderr.strip().splitlines()[-1]
        assert last.startswith("Error: ")
        assert str(empty) in last
        assert [run.info.status for run in temporary_project.mlflow_runs()] == ["FAILED"]

    def test_a_wrong_parameter_ends_in_one_line_before_anything_runs(self, temporary_project):
        outcome = temporary_project.command("run", "--env", "test", "--params", "cohort.kind=mars")
        assert outcome.exit_code == 1
        assert isinstance(outcome.exception, SystemExit), "no traceback"
        assert "cohort.kind: input should be 'phantom', 'brats'" in outcome.output
        assert "(given: 'mars')" in outcome.output
        assert not temporary_project.data.exists()


@pytest.fixture(scope="module")
def healthy_project(finished_project, tmp_path_factory):
    """The default run on healthy volunteers: three contrasts, no label maps."""
    made = type(finished_project)(tmp_path_factory.mktemp("healthy") / "project")
    made.run({"phantom": {"layout": "ixi", "n_subjects": 3}})
    return made


class TestHealthyVolunteers:
    def test_all_methods_are_scored_on_the_nine_pairs(self, healthy_project):
        for method in default_methods():
            scores = pd.read_parquet(healthy_project.data / "07_model_output" / method / "scores.parquet")
            assert len(scores) == 9
            assert set(scores["target"]) == {"t1", "t2", "pd"}

    def test_the_report_says_why_there_is_no_segmentation(self, healthy_project):
        summary = json.loads((healthy_project.data / "08_reporting" / "segmentation_summary.json").read_text())
        assert "no tumour label maps" in summary["skipped"]
        report = (healthy_project.data / "08_reporting" / "report.html").read_text()
        assert "no tumour label maps" in report

    def test_the_untrained_segmenter_says_so_on_its_card(self, healthy_project):
        card = json.loads((healthy_project.data / "06_models" / "segmenter" / "model" / "model_card.json").read_text())
        assert "no tumour label maps" in card["skipped"]
