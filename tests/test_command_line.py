"""``mrisynth``: quick to answer, one line where something is wrong, and nothing that Kedro would take for its own."""

import importlib.util
import json
import subprocess
import sys
import zipfile

import click
import pytest
from click.testing import CliRunner

from mrisynth_pipeline import command_line
from mrisynth_pipeline.command_line import COMMANDS, LazyGroup, cli
from mrisynth_pipeline.models.packaging import CARD, TrainedModel, save_model
from mrisynth_pipeline.models.resunet import ResUNet


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MRISYNTH_CACHE", str(tmp_path / "cache"))
    for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"):
        monkeypatch.setenv(name, "true")
    network = ResUNet(("t1", "t2"), {"widths": (4, 8)})
    card = {
        "modalities": ["t1", "t2"],
        "grid": {"size": [20, 24, 16], "spacing_mm": [4.0, 4.0, 4.0]},
        "training_data": {"cohort": "phantom-test", "synthetic": True, "subjects": 3},
        "date": "2024-05-01",
    }
    save_model(TrainedModel(network, card), tmp_path / "data" / "06_models" / "resunet" / "model")
    return tmp_path / "data"


def called(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_the_help_imports_none_of_what_takes_seconds():
    script = "import sys; from mrisynth_pipeline.command_line import cli; cli(['--help'], standalone_mode=False); "
    script += "sys.exit(', '.join(sorted({'torch', 'mlflow', 'kedro', 'monai', 'numpy'} & set(sys.modules))) or None)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "not for diagnostic use" in " ".join(done.stdout.split())


def test_it_can_be_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "mrisynth_pipeline", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "mrisynth, version 0.1.0\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_under_its_name(name):
    command = LazyGroup().get_command(click.Context(cli), name)
    assert isinstance(command, click.Command)
    assert command.name == name


def test_kedro_finds_no_commands_of_its_own():
    assert importlib.util.find_spec("mrisynth_pipeline.cli") is None


class TestErrors:
    def test_bad_input_is_one_line(self, data):
        result = called("export", "nothing", data.parent / "out", "--data-dir", data)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: nothing: there is no such model")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""

    @pytest.mark.parametrize("arguments", [["export"], ["unheard-of"], ["export", "resunet"]])
    def test_wrong_usage(self, arguments):
        assert called(*arguments).exit_code == 2

    def test_the_unforeseen_is_one_line_unless_asked(self, data, monkeypatch):
        @click.command()
        def broken():
            raise RuntimeError("two\nlines")

        monkeypatch.setattr(command_line, "broken", broken, raising=False)
        monkeypatch.setitem(COMMANDS, "broken", ("mrisynth_pipeline.command_line:broken", "Breaks."))
        result = called("broken")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: RuntimeError: two lines (")
        assert "--debug" in result.stderr
        assert isinstance(called("--debug", "broken").exception, RuntimeError)


class TestCommands:
    def test_the_models_for_people(self, data):
        result = called("models", "--data-dir", data)
        assert result.exit_code == 0
        for word in ("resunet", "t1 t2", "20×24×16, 4×4×4 mm", "phantom-test, 3 subjects, synthetic", "2024-05-01"):
            assert word in result.stdout
        assert "06_models/resunet/model" in result.stdout

    def test_the_models_for_programs(self, data):
        (facts,) = json.loads(called("models", "--json", "--data-dir", data).stdout)
        assert facts["name"] == facts["method"] == "resunet"
        assert facts["folder"] == str(data / "06_models" / "resunet" / "model")
        assert (facts["kind"], facts["synthetic"], facts["subjects"]) == ("model", True, 3)

    def test_what_is_written(self, data):
        out = data.parent / "out"
        formats = ["--format", "package", "--format", "zip", "--format", "bundle"]
        result = called("export", "resunet", out, *formats, "--data-dir", data)
        assert result.exit_code == 0, result.stderr
        made = ["resunet-phantom-test", "resunet-phantom-test-bundle", "resunet-phantom-test.zip"]
        assert sorted(path.name for path in out.iterdir()) == made
        assert set(result.stdout.split()) == {str(out / name) for name in made}
        assert zipfile.is_zipfile(out / made[2])
        again = called("export", "resunet", out, "--data-dir", data)
        assert again.exit_code == 1
        assert "already there" in again.stderr

    def test_what_was_exported_can_be_exported(self, data):
        called("export", "resunet", data.parent / "out", "--format", "zip", "--name", "mine", "--data-dir", data)
        result = called("export", data.parent / "out" / "mine.zip", data.parent / "again", "--data-dir", data)
        assert result.exit_code == 0, result.stderr
        assert (data.parent / "again" / "resunet-phantom-test" / CARD).is_file()
