"""The conventions of the house: what would otherwise be a rule on paper is a test here."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import click
import pytest
import torch
import yaml
from kedro.io import MemoryDataset

from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.resunet import ResUNet, ResUNetArchitecture
from mrisynth_pipeline.pipeline_registry import DEFAULT
from mrisynth_pipeline.pipelines.products import must_not_lack
from mrisynth_pipeline.pipelines.slot import two_stage_method

ENVIRONMENTS = ("base", "test", "ixi", "brats", "remind")

LAYERS = {
    "raw": "01_raw",
    "intermediate": "02_intermediate",
    "primary": "03_primary",
    "feature": "04_feature",
    "model_input": "05_model_input",
    "models": "06_models",
    "model_output": "07_model_output",
    "reporting": "08_reporting",
}
"""Kedro's layers and their folders."""

VERBS = (
    *("describe", "draw", "examine", "exchange", "export", "fit", "impute", "learn", "list", "prepare", "provide"),
    *("read", "score", "segment", "split", "summarise", "tabulate", "train", "withhold", "write"),
)
"""First words of node names; a new one is welcome here."""

MAXIMUM_LINES = 400


def raw_dir_for(env: str) -> dict:
    """What a user must give on the command line for an environment."""
    return {"cohort": {"raw_dir": "unpacked"}} if env in {"ixi", "brats", "remind"} else {}


def _is_parameter(dataset: str) -> bool:
    return dataset == "parameters" or dataset.startswith("params:")


def _location(dataset: object) -> Path:
    return Path(str(getattr(dataset, "_filepath", None) or dataset._path))


def _tracked_files(project: Path) -> list[Path]:
    """What is (or is about to be) in the repository; without git, everything that looks like it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=project, capture_output=True, text=True
    )
    if listed.returncode:
        folders = ("src", "tests", "conf", "docs", "notebooks", "benchmarks")
        return [path for folder in folders for path in (project / folder).rglob("*") if path.is_file()]
    return [path for name in listed.stdout.splitlines() if (path := project / name).is_file()]


class TestCatalog:
    @pytest.mark.parametrize("env", ENVIRONMENTS)
    def test_every_dataset_of_every_pipeline_has_an_entry(self, configured, registered, env):
        configuration = configured(env, raw_dir_for(env))
        for name, pipeline in registered.items():
            for dataset in pipeline.datasets():
                # A parameter of that very name, or an entry of the catalog; a MemoryDataset would be lost with the run.
                assert dataset in configuration.catalog, f"{name}: {dataset}"
                in_memory = isinstance(configuration.catalog.get(dataset), MemoryDataset)
                assert in_memory == _is_parameter(dataset), f"{name}: {dataset}"

    def test_files_lie_in_the_folder_of_their_layer_and_their_method(self, configured, registered, project):
        catalog = configured("base").catalog
        for name in registered["__default__"].datasets():
            if _is_parameter(name):
                continue
            dataset = catalog.get(name)
            folder, *rest = _location(dataset).relative_to(project / "data").parts
            assert folder == LAYERS[dataset.metadata["kedro-viz"]["layer"]], name
            method = name.rpartition(".")[0]
            assert any(part.startswith(method) for part in rest), f"{name} is kept outside {method}"

    def test_no_two_datasets_share_a_file(self, configured, registered):
        catalog = configured("base").catalog
        names = [name for name in registered["__default__"].datasets() if not _is_parameter(name)]
        count = Counter(_location(catalog.get(name)) for name in names)
        assert [path for path, times in count.items() if times > 1] == []

    @pytest.mark.parametrize(("env", "folder"), [("base", "data"), *((env, f"data/{env}") for env in ENVIRONMENTS[2:])])
    def test_studies_do_not_overwrite_each_other(self, configured, registered, project, env, folder):
        catalog = configured(env, raw_dir_for(env)).catalog
        for name in registered["__default__"].datasets():
            if not _is_parameter(name):
                below = _location(catalog.get(name)).relative_to(project / folder)
                assert below.parts[0] in LAYERS.values(), name

    def test_the_data_folder_can_be_given_on_the_command_line(self, configured, tmp_path):
        catalog = configured("ixi", raw_dir_for("ixi") | {"data_dir": str(tmp_path)}).catalog
        assert _location(catalog.get("manifest")) == tmp_path / "02_intermediate" / "manifest.csv"

    def test_a_new_method_needs_no_entry_of_its_own(self, configured):
        catalog = configured("base").catalog
        kinds = ("model", "training_history", "training_workspace", "scores", "segmentation_scores")
        for dataset in (*kinds, "example_slices", "segmented_slices"):
            assert not isinstance(catalog.get(f"another_method.{dataset}"), MemoryDataset)


class TestPipelines:
    def test_the_default_run_is_the_sum_of_the_named_pipelines(self, registered):
        named = {node.name for name in DEFAULT for node in registered[name].nodes}
        packaged = {node.name for node in registered["packaging"].nodes if node.namespace == two_stage_method()}
        assert len(packaged) == 2
        assert {node.name for node in registered["__default__"].nodes} == named | packaged

    def test_all_free_inputs_of_the_default_run_are_folders_parameters_or_run_times(self, registered):
        free = {name for name in registered["__default__"].inputs() if not _is_parameter(name)}
        others = registered.keys() - {"__default__", *DEFAULT}
        optional = free & {product for name in others for product in registered[name].all_outputs()}
        assert {name for name in free - optional if not name.endswith("_workspace")} == {
            *("phantom_folder", "archive_folder", "subjects", "run_times")
        }
        for node in registered["__default__"].nodes:
            for product in optional & set(node.inputs):
                assert not must_not_lack(node.func, product), f"{node.name} needs {product}, which no default run makes"

    def test_node_names_are_verb_and_object(self, registered):
        for pipeline in registered.values():
            for node in pipeline.nodes:
                verb, *rest = node.short_name.split("_")
                assert re.fullmatch(r"[a-z0-9_]+", node.short_name), node.name
                assert verb in VERBS, node.name
                assert rest or node.namespace, f"{node.name}: says not what it works on"

    def test_every_node_is_tagged_with_its_pipeline_alone(self, registered):
        for name in registered.keys() - {"__default__"}:
            for node in registered[name].nodes:
                assert node.tags == {name}, node.name

    def test_every_node_says_what_it_does(self, registered):
        for node in registered["__default__"].nodes:
            assert node.func.__doc__, node.name


class TestParameters:
    @pytest.mark.parametrize("env", ENVIRONMENTS)
    def test_every_environment_passes_its_classes(self, configured, registered, env):
        parameters = configured(env, raw_dir_for(env)).parameters
        groups = {
            name.removeprefix("params:") for name in registered["__default__"].inputs() if name.startswith("params:")
        }
        assert len(groups) >= 9
        for group in groups:
            value = parameters
            for part in group.split("."):
                value = value[part]
            assert type(value).__name__.endswith(("Parameters", "Architecture")), f"{group} is not typed"

    @pytest.mark.parametrize("env", ["ixi", "brats"])
    def test_the_papers_sizes(self, configured, env):
        parameters = configured(env, raw_dir_for(env)).parameters
        codebrain = parameters["codebrain"]
        architecture, grid = codebrain["architecture"], parameters["preprocessing"].grid.size
        assert (architecture.posterior_width, architecture.common_width, architecture.decoder_width) == (32, 96, 96)
        assert architecture.depth == 6
        assert grid[0] == grid[1], "quarter turns need square slices"
        assert grid[0] % 8 == 0
        for stage, batch_size in (("stage1", 8), ("stage2", 16)):
            optimisation = codebrain[stage].optimisation
            assert (optimisation.steps, optimisation.batch_size) == (300_000, batch_size)
            assert (optimisation.learning_rate, optimisation.final_learning_rate) == (5e-4, 5e-5)
            assert (optimisation.betas, optimisation.weight_decay) == ((0.9, 0.9), 0.0)
            assert optimisation.gradient_clip is None
            switches = codebrain[stage].augmentation.model_dump(exclude={"probability"})
            assert all(switches.values())

    def test_remind_lies_in_the_space_of_the_ultrasound(self, configured):
        parameters = configured("remind", raw_dir_for("remind")).parameters
        preprocessing, study = parameters["preprocessing"], parameters["cohort"]
        assert set(study.modalities) == set(preprocessing.reference_preference) == {"us", "t2", "t1c", "flair"}
        assert (preprocessing.mask, preprocessing.reference_preference[0]) == ("fan", "us")
        assert preprocessing.grid.size[:2] == (192, 192)
        assert preprocessing.grid.spacing_mm == (0.5, 0.5, 0.5)

    @pytest.mark.parametrize("env", ["base", "ixi", "brats"])
    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_resunet_and_aginet_are_of_one_size(self, configured, env, spatial_dims):
        parameters = configured(env, raw_dir_for(env)).parameters
        modalities = ("t1", "t2", "pd") if env == "ixi" else ("t1", "t1c", "t2", "flair")

        def count(kind: type[ResUNet], architecture: ResUNetArchitecture, **changes) -> int:
            with torch.device("meta"):
                network = kind(modalities, architecture.model_copy(update={"spatial_dims": spatial_dims, **changes}))
            return sum(weight.numel() for weight in network.parameters())

        sizes = {name: parameters[name]["architecture"] for name in ("resunet", "aginet")}
        full = count(AGINet, sizes["aginet"])
        assert abs(count(ResUNet, sizes["resunet"]) / full - 1) < 0.05
        if spatial_dims == 2 and env != "base":
            assert full == {"ixi": 11_707_232, "brats": 11_708_524}[env], "what the comment in conf/ says"
        for variant in parameters["aginet_ablation"].variants.values():
            assert abs(count(AGINet, sizes["aginet"], **variant.architecture) / full - 1) < 0.06

    @pytest.mark.parametrize("env", ["ixi", "brats"])
    def test_translation_trains_as_pix2pix(self, configured, env):
        parameters = configured(env, raw_dir_for(env)).parameters
        assert parameters["resunet"]["training"] == parameters["aginet"]["training"], "compared at equal terms"
        training = parameters["aginet"]["training"]
        assert (training.l1_weight, training.adversarial_weight, training.discriminator_width) == (100.0, 1.0, 64)
        assert training.optimisation.betas == (0.5, 0.999)
        assert training.optimisation.learning_rate == training.discriminator_learning_rate == 2e-4
        assert (training.misalignment.translation_mm, training.misalignment.rotation_deg) == (0.0, 0.0)
        assert parameters["robustness"].subjects is None

    @pytest.mark.parametrize(
        ("env", "given", "words"),
        [
            ("test", {"codebrain": {"stage1": {"stepz": 3}}}, "codebrain.stage1.stepz: there is no such option"),
            ("test", {"codebrain": {"stage1": {"stepz": 3}}}, "did you mean optimisation.steps?"),
            ("test", {"codebrain": {"stage1": {"optimisation": {"steps": -1}}}}, "codebrain.stage1.optimisation.steps"),
            ("test", {"codebrain": {"stag1": {}}}, "codebrain.stag1: there is no such group; did you mean stage1?"),
            ("test", {"segmentatoin": {}}, "segmentatoin: there is no such group; did you mean segmentation?"),
            ("test", {"segmentation": 4}, "segmentation: "),
            ("test", {"cohort": {"kind": "mars"}}, "cohort.kind: input should be 'phantom', 'brats', 'ixi', 'msd'"),
            ("test", {"cohort": {"kind": "brats"}}, "cohort.kind=brats needs cohort.raw_dir"),
            ("brats", {}, "cohort.kind=brats needs cohort.raw_dir"),
            ("ixi", {}, "cohort.kind=ixi needs cohort.raw_dir"),
            ("remind", {}, "cohort.kind=remind needs cohort.raw_dir"),
        ],
    )
    def test_a_wrong_one_is_named(self, configured, env, given, words):
        with pytest.raises(click.ClickException) as caught:
            configured(env, given)
        assert words in caught.value.message
        assert "pydantic" not in caught.value.message

    def test_all_wrong_ones_are_named_at_once(self, configured):
        with pytest.raises(click.ClickException) as caught:
            configured("test", {"phantom": {"noise": 9}, "evaluation": {"batch_size": 0, "sead": 1}})
        message = caught.value.message
        assert "phantom.noise" in message
        assert "evaluation.batch_size" in message
        assert "evaluation.sead: there is no such option; did you mean seed?" in message


class TestRepository:
    def test_imports_go_one_way(self, project):
        # In a process of its own: it switches off the loggers of the process that it runs in.
        script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
        result = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr

    @pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=" ".join)
    def test_ruff_has_nothing_to_say(self, project, arguments):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "src", "tests"]
        result = subprocess.run(command, cwd=project, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr

    def test_python_files_are_small(self, project):
        sizes = {
            path.relative_to(project).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
            for path in _tracked_files(project)
            if path.suffix == ".py"
        }
        assert {name: lines for name, lines in sizes.items() if lines > MAXIMUM_LINES} == {}

    def test_nothing_points_into_somebodys_home(self, project):
        homes = re.compile(r"(?<![\w.:/])/(home|Users|root|work)/[\w.]")
        found = []
        for path in _tracked_files(project):
            try:
                content = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            found += [f"{path.relative_to(project)}: {hit.group()}" for hit in homes.finditer(content)]
        assert found == []

    def test_constraints_are_versions_and_nothing_else(self, project):
        lines = (project / "constraints.txt").read_text().splitlines()
        wrong = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+|#.*|", line)]
        assert wrong == [], "no addresses, no local builds (+cpu): they would not resolve elsewhere"

    def test_telemetry_has_no_consent(self, project):
        assert yaml.safe_load((project / ".telemetry").read_text()) == {"consent": False}

    def test_dvc_reports_to_nobody(self, project):
        config = (project / ".dvc" / "config").read_text()
        assert "analytics = false" in config
        assert "remote" not in config
