"""What happens around the nodes, each hook by itself; test_end_to_end.py has them all at work."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import mlflow
import pytest
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks, _register_hooks_entry_points
from kedro.framework.project import settings
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import SplitParameters
from mrisynth_pipeline.datasets.model import ModelDataset
from mrisynth_pipeline.hooks import (
    CARD,
    RUN_TIMES,
    Artifacts,
    MissingProducts,
    PlainErrors,
    Results,
    RunTimes,
    Tracking,
    end_killed_run,
    final_metrics,
)
from mrisynth_pipeline.models import packaging


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Iterator[str]:
    """An MLflow experiment in a database of its own, which takes seconds to make."""
    before, folder = mlflow.get_tracking_uri(), tmp_path_factory.mktemp("tracking")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    yield mlflow.create_experiment("test", artifact_location=str(folder / "mlruns"))
    mlflow.set_tracking_uri(before)


@pytest.fixture
def tracked(experiment) -> Iterator[str]:
    """An open MLflow run."""
    with mlflow.start_run(experiment_id=experiment) as run:
        yield run.info.run_id


def artifacts(run_id: str, folder: str) -> set[str]:
    return {file.path for file in mlflow.MlflowClient().list_artifacts(run_id, folder)}


class TestFinalMetrics:
    def test_numbers_get_the_path_to_them_as_name(self):
        summary = {"methods": {"linear": {"psnr": 20.5, "n_pairs": 28}}, "cohort": "phantom"}
        assert final_metrics(summary, "s") == {"s.methods.linear.psnr": 20.5, "s.methods.linear.n_pairs": 28.0}

    def test_rows_are_named_by_their_texts(self):
        row = {"missing": "t1c", "region": "TC", "method": "zero", "dice": {"mean": 0.5, "n": 3, "ci_low": 0.1}}
        assert final_metrics({"rows": [row]}, "s") == {"s.t1c.TC.zero.dice.mean": 0.5}

    def test_rows_with_an_amount_are_told_apart_by_it(self):
        row = {
            "method": "resunet",
            "kind": "translation_mm",
            "amount": 4.0,
            "registered": False,
            "psnr": {"mean": 20.0},
        }
        rows = [row, row | {"amount": 0.5, "psnr": {"mean": 23.0}}, row | {"registered": True, "psnr": {"mean": 22.5}}]
        found = final_metrics({"rows": rows}, "s")
        name = "s.resunet.translation_mm"
        assert [found[f"{name}.{part}.psnr.mean"] for part in ("4", "0.5", "4.registered")] == [20.0, 23.0, 22.5]

    def test_lists_texts_switches_and_nothing_are_no_metrics(self):
        assert final_metrics({"a": [1, 2], "b": "text", "c": True, "d": None, "confidence": 0.95}, "s") == {}

    def test_names_are_such_that_mlflow_takes_them(self):
        assert final_metrics({"t1+t2": 1}, "s") == {"s.t1_t2": 1.0}


class TestArtifacts:
    @pytest.fixture
    def hook(self, tmp_path):
        reporting, models = {"kedro-viz": {"layer": "reporting"}}, {"kedro-viz": {"layer": "models"}}
        model = MemoryDataset(metadata=models)
        model._filepath = tmp_path / "model"
        catalog = DataCatalog(
            {
                "table": TextDataset(filepath=str(tmp_path / "table.txt"), metadata=reporting),
                "x.summary": JSONDataset(
                    filepath=str(tmp_path / "summary.json"), metadata=reporting | {"mlflow": "metrics"}
                ),
                "numbers": JSONDataset(filepath=str(tmp_path / "numbers.json")),
                RUN_TIMES: JSONDataset(filepath=str(tmp_path / "times.json"), metadata=reporting),
                "x.model": model,
            }
        )
        hook = Artifacts()
        hook.after_catalog_created(catalog)
        self.catalog = catalog
        return hook

    def save(self, hook: Artifacts, name: str, data: object) -> None:
        self.catalog.save(name, data)
        hook.after_dataset_saved(name, data)

    def test_what_is_reported_is_logged(self, hook, tracked):
        self.save(hook, "table", "results")
        assert artifacts(tracked, "reporting") == {"reporting/table.txt"}

    def test_of_a_summary_the_finite_numbers_too(self, hook, tracked):
        self.save(hook, "x.summary", {"psnr": 20.5, "hd95": float("nan")})
        assert artifacts(tracked, "reporting") == {"reporting/summary.json"}
        assert mlflow.get_run(tracked).data.metrics == {"summary.psnr": 20.5}

    def test_run_times_and_data_are_not(self, hook, tracked):
        self.save(hook, RUN_TIMES, {})
        self.save(hook, "numbers", {"a": 1})
        assert artifacts(tracked, "") == set()

    def test_of_a_model_the_card(self, hook, tracked, tmp_path):
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / CARD).write_text("{}")
        (tmp_path / "model" / "weights.safetensors").write_text("heavy")
        hook.after_dataset_saved("x.model", None)
        assert artifacts(tracked, "model_cards/x.model") == {f"model_cards/x.model/{CARD}"}

    def test_without_a_run_nothing_happens(self, hook):
        self.save(hook, "table", "results")

    def test_the_card_has_the_name_that_models_give_it(self):
        assert packaging.CARD == CARD  # not imported: hooks load with every command, torch should not


class TestRunTimes:
    @pytest.fixture
    def catalog(self, tmp_path):
        return DataCatalog({RUN_TIMES: JSONDataset(filepath=str(tmp_path / "times.json"))})

    def run(self, hook: RunTimes, catalog: DataCatalog, *names: str) -> dict:
        hook.before_pipeline_run(catalog)
        for name in names:
            node = Node(lambda: 1, None, name, name=name, tags="stage1")
            hook.before_node_run(node)
            hook.after_node_run(node, catalog)
        return catalog.load(RUN_TIMES)

    def test_every_node_has_its_stage_and_seconds(self, catalog):
        times = self.run(RunTimes(), catalog, "draw_this")
        assert times["draw_this"]["stage"] == "stage1"
        assert 0 <= times["draw_this"]["seconds"] < 5

    def test_a_partial_run_renews_only_its_own(self, catalog):
        before = self.run(RunTimes(), catalog, "draw_this", "draw_that")
        catalog.save(RUN_TIMES, before | {"draw_that": {"stage": "stage1", "seconds": 99.0}})
        after = self.run(RunTimes(), catalog, "draw_this")
        assert after["draw_that"]["seconds"] == 99.0

    def test_the_record_exists_before_the_first_node_ends(self, catalog):
        assert self.run(RunTimes(), catalog) == {}

    def test_the_terminal_says_what_runs(self, catalog, caplog):
        caplog.set_level(logging.INFO, logger="mrisynth_pipeline.hooks")
        self.run(RunTimes(), catalog, "draw_this")
        assert caplog.messages == ["stage1: draw_this"]

    def test_catalogs_without_the_record_are_fine(self):
        hook, node = RunTimes(), Node(lambda: 1, None, "x", name="x")
        hook.before_pipeline_run(DataCatalog())
        hook.before_node_run(node)
        hook.after_node_run(node, DataCatalog())


class TestMissingProducts:
    @pytest.fixture
    def hook(self, configured, registered):
        hook = MissingProducts()
        hook.after_catalog_created(configured("base").catalog)
        return hook

    def test_a_node_that_needs_what_nobody_has_made_is_refused(self, hook, registered):
        node = next(node for node in registered["evaluation"].nodes if node.name == "codebrain.score")
        with pytest.raises(InputError, match=r"codebrain/model: is not there\. .*kedro run --pipelines stage2"):
            hook.before_node_run(node, {"codebrain.model": None, "study": {}})
        hook.before_node_run(node, {"codebrain.model": object(), "params:evaluation.ceiling_subjects": None})

    def test_one_that_says_it_may_lack_it_goes_on(self, hook, registered):
        node = next(node for node in registered["reporting"].nodes if node.name == "summarise_evaluation")
        hook.before_node_run(node, {"codebrain.scores": None, "study": {}})


class TestPlainErrors:
    def test_bad_input_becomes_a_message_for_the_command_line(self):
        with pytest.raises(click.ClickException, match=r"scan\.nii: is empty\. Fetch it again"):
            PlainErrors().on_pipeline_error(InputError("scan.nii", "is empty", "Fetch it again"))

    def test_even_if_a_dataset_came_upon_it(self, tmp_path):
        (tmp_path / "model").mkdir()
        with pytest.raises(DatasetError) as caught:
            ModelDataset(filepath=str(tmp_path / "model")).load()
        with pytest.raises(click.ClickException, match=r"model: holds no model_card\.json"):
            PlainErrors().on_pipeline_error(caught.value)

    def test_a_missing_file_of_an_earlier_pipeline_is_named(self, tmp_path):
        with pytest.raises(DatasetError) as caught:
            JSONDataset(filepath=str(tmp_path / "study.json")).load()
        with pytest.raises(click.ClickException, match=r"study\.json: is not there\. Run the pipeline"):
            PlainErrors().on_pipeline_error(caught.value)

    def test_faults_of_the_program_keep_their_traceback(self):
        assert PlainErrors().on_pipeline_error(ZeroDivisionError()) is None
        assert PlainErrors().on_pipeline_error(FileNotFoundError(2, "no such file", "weights")) is None

    def test_it_comes_after_those_who_must_hear_of_the_error(self, registered):
        manager = _create_hook_manager()
        _register_hooks(manager, settings.HOOKS)
        callers = [type(hook.plugin) for hook in manager.hook.on_pipeline_error.get_hookimpls()]
        assert set(callers) == {PlainErrors, Tracking}
        assert callers[0] is PlainErrors, "pluggy calls from last to first, and stops at an exception"


class TestTracking:
    def test_typed_parameters_arrive_as_nested_values(self, monkeypatch):
        seen = {}
        parent = Tracking.__mro__[1]
        monkeypatch.setattr(parent, "before_node_run", lambda self, **arguments: seen.update(arguments["inputs"]))
        inputs = {"params:split": SplitParameters(seed=7), "params:codebrain.steps": 3, "manifest": "kept out"}
        Tracking().before_node_run(node=None, catalog=None, inputs=inputs, is_async=False)
        assert seen["params:split"]["seed"] == 7
        assert seen["params:codebrain.steps"] == 3
        assert "manifest" not in seen

    @pytest.mark.parametrize(("disabled", "hooks"), [(None, 0), ((), 1)], ids=["as set", "with nothing disabled"])
    def test_the_plugins_own_hook_is_off(self, registered, disabled, hooks):
        # Two of them would log every command as two runs; Kedro passes over a name that it does not know.
        manager = _create_hook_manager()
        _register_hooks_entry_points(manager, settings.DISABLE_HOOKS_FOR_PLUGINS if disabled is None else disabled)
        assert sum(type(plugin).__module__.startswith("kedro_mlflow") for plugin in manager.get_plugins()) == hooks

    def test_a_killed_run_is_marked_as_killed(self, tracked):
        end_killed_run()
        assert mlflow.active_run() is None
        assert mlflow.get_run(tracked).info.status == "KILLED"

    def test_a_process_that_is_killed_leaves_a_killed_run(self, tmp_path):
        # MLflow's own handler at the end of a process calls open runs finished: ours must come first.
        script = f"""
import atexit, mlflow
from mrisynth_pipeline.hooks import end_killed_run
mlflow.set_tracking_uri("sqlite:///{tmp_path}/mlflow.db")
mlflow.start_run()
atexit.register(end_killed_run)
raise KeyboardInterrupt
"""
        result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert result.stderr.rstrip().endswith("KeyboardInterrupt")
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
        assert [run.info.status for run in client.search_runs(["0"])] == ["KILLED"]


class TestResults:
    @pytest.fixture
    def catalog(self, tmp_path):
        (tmp_path / "table.txt").write_text("CodeBrain 29.84 dB")
        return DataCatalog(
            {
                "results_table": TextDataset(filepath=str(tmp_path / "table.txt")),
                "report": TextDataset(filepath=str(tmp_path / "report.html")),
            }
        )

    def test_a_run_that_reports_ends_with_the_table_and_where_the_report_is(self, catalog, tmp_path, capsys):
        node = Node(lambda: "", None, "results_table", name="tabulate")
        Results().after_pipeline_run(Pipeline([node]), catalog)
        printed = capsys.readouterr().out
        assert "CodeBrain 29.84 dB" in printed
        assert f"Report: {Path(tmp_path, 'report.html')}" in printed

    @pytest.mark.parametrize("ablation", ["ablation", "aginet_ablation", "neuroquant_ablation", "incomplete_cohorts"])
    def test_an_ablation_ends_with_its_own(self, ablation, tmp_path, capsys):
        (tmp_path / "table.txt").write_text("One is better")
        names = {f"{ablation}_table": "table.txt", f"{ablation}_page": "page.html"}
        catalog = DataCatalog({name: TextDataset(filepath=str(tmp_path / file)) for name, file in names.items()})
        node = Node(lambda: "", None, f"{ablation}_table", name="tabulate")
        Results().after_pipeline_run(Pipeline([node]), catalog)
        printed = capsys.readouterr().out
        assert "One is better" in printed
        assert "page.html" in printed

    def test_other_runs_end_without(self, catalog, capsys):
        Results().after_pipeline_run(Pipeline([Node(lambda: 1, None, "model", name="train")]), catalog)
        assert capsys.readouterr().out == ""


def test_hooks_load_without_torch():
    """Every command loads them, `kedro --help` too: seconds matter."""
    script = "import sys, mrisynth_pipeline.settings; print([m for m in ('torch', 'monai') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout.strip().splitlines()[-1]) == []
