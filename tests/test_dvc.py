"""Nobody maintains a bridge from Kedro to DVC: this holds dvc.yaml to the pipelines, the catalog and the imports."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
import yaml
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline

PACKAGE = "mrisynth_pipeline"

STAGES = (
    *("phantom", "ingestion", "preprocessing", "stage1", "stage2", "evaluation", "segmentation"),
    *("neuroquant", "resunet", "aginet", "mmhvae", "robustness", "packaging", "reporting"),
)
"""Pipelines that are stages, in the order of the data's way: all that the report shows."""

WRITTEN_INTO = {"phantom_folder": "phantom", "subjects": "preprocessing"}
"""Folders that Kedro knows as inputs of the nodes that fill them: outs of that pipeline, dependencies of the others."""

NOT_TRACKED = {
    "run_times": "a hook adds to it in every stage; it changes nothing but two lines of the report",
    "archive_folder": "unpacked, converted and downloaded archives: gigabytes that are there elsewhere, and none here",
    "ingestion_workspace": "the journal of checked files; it saves time and changes nothing",
    "codebrain.stage1_workspace": "checkpoints; DVC would delete them before the stage that resumes from them",
    "codebrain.stage2_workspace": "as above",
    "segmenter.training_workspace": "as above",
    "neuroquant.stage1_workspace": "as above",
    "neuroquant.stage2_workspace": "as above",
    "resunet.training_workspace": "as above",
    "aginet.training_workspace": "as above",
    "mmhvae.training_workspace": "as above",
}
"""Persisted datasets that are neither dependency nor out, and why."""

HIDDEN_INPUTS = {"ingestion": {"phantom_folder"}, "preprocessing": {"phantom_folder"}}
"""Datasets that a pipeline reads by a path inside another one (`raw_cohort` names the folder of the scans)."""

ALL_PARAMETERS = {"reporting"}
"""Pipelines that take all parameters (the report prints them)."""

UNWATCHED_CODE = {PACKAGE}
"""Modules that change nothing: the package's own __init__.py holds its version."""


def _paths(entries: list) -> dict[str, dict]:
    """Path → options of a list in dvc.yaml, whose items are paths or ``path: options``."""
    return {path: options or {} for entry in entries for path, options in _pair(entry)}


def _pair(entry: str | dict) -> Iterator[tuple[str, dict]]:
    yield from entry.items() if isinstance(entry, dict) else [(entry, {})]


class Stage:
    """One stage of dvc.yaml, its paths sorted into data, code and parameters."""

    def __init__(self, content: dict) -> None:
        self.cmd = content["cmd"]
        dependencies = _paths(content.get("deps", []))
        self.data = {path for path in dependencies if path.startswith("data/")}
        self.code = {path for path in dependencies if path.startswith("src/")}
        self.other = set(dependencies) - self.data - self.code
        self.outs = _paths(content.get("outs", [])) | _paths(content.get("metrics", []))
        self.metrics = _paths(content.get("metrics", []))
        self.parameters = {
            file: set(keys) if keys else None for entry in content.get("params", []) for file, keys in entry.items()
        }


@pytest.fixture(scope="module")
def stages(project) -> dict[str, Stage]:
    content = yaml.safe_load((project / "dvc.yaml").read_text())
    return {name: Stage(stage) for name, stage in content["stages"].items()}


@pytest.fixture(scope="module")
def catalog(configured) -> CatalogProtocol:
    return configured("base").catalog


@pytest.fixture(scope="module")
def path_of(catalog, project):
    """Path of a dataset, relative to the repository; ``None`` for what stays in memory."""

    def path(name: str) -> str | None:
        dataset = catalog.get(name)
        if dataset is None or isinstance(dataset, MemoryDataset):
            return None
        location = getattr(dataset, "_filepath", None) or dataset._path
        return Path(str(location)).relative_to(project).as_posix()

    return path


def read_by(name: str, pipeline: Pipeline) -> set[str]:
    """Datasets that a pipeline takes from others."""
    free = {dataset for dataset in pipeline.inputs() if not dataset.startswith(("params:", "parameters"))}
    own = {dataset for dataset, writer in WRITTEN_INTO.items() if writer == name}
    return (free | HIDDEN_INPUTS.get(name, set())) - own - set(NOT_TRACKED)


def written_by(name: str, pipeline: Pipeline) -> set[str]:
    """Datasets that a pipeline leaves behind."""
    own = {dataset for dataset, writer in WRITTEN_INTO.items() if writer == name}
    return (pipeline.all_outputs() | own) - set(NOT_TRACKED)


def test_one_stage_per_pipeline_in_the_order_of_the_data(stages, registered):
    assert tuple(stages) == STAGES
    experiments = {"benchmark", "ablation", "aginet_ablation", "neuroquant_ablation", "incomplete_cohorts"}
    others = set(registered) - set(STAGES) - {"__default__", "impute"}  # whose input is nobody's but the user's
    assert others == experiments, "they have pages of their own"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_its_pipeline_with_the_parameters_that_it_names(stages, name):
    assert stages[name].cmd == f"kedro run --env base --pipelines {name}"


@pytest.mark.parametrize("name", STAGES)
def test_outs_are_what_the_pipeline_persists(stages, registered, path_of, name):
    expected = {path_of(dataset) for dataset in written_by(name, registered[name])}
    assert None not in expected, "an output stays in memory"
    assert set(stages[name].outs) == expected


@pytest.mark.parametrize("name", STAGES)
def test_data_dependencies_are_what_the_pipeline_takes_from_others(stages, registered, path_of, name):
    assert stages[name].data == {path_of(dataset) for dataset in read_by(name, registered[name])}
    assert not stages[name].other, "dependencies are data or code; settings are params"


@pytest.mark.parametrize("name", STAGES)
def test_parameters_are_those_of_the_nodes_in_the_file_that_holds_them(stages, registered, project, name):
    files = {
        path.relative_to(project).as_posix(): yaml.safe_load(path.read_text())
        for path in (project / "conf/base").glob("parameters*.yml")
    }
    if name in ALL_PARAMETERS:
        assert "parameters" in registered[name].inputs()
        assert stages[name].parameters == dict.fromkeys(files)
        return
    expected: dict[str, set[str]] = {}
    for group in (dataset.removeprefix("params:") for dataset in registered[name].inputs() if "params:" in dataset):
        home = next(file for file, content in files.items() if group.partition(".")[0] in content)
        expected.setdefault(home, set()).add(group)
    assert stages[name].parameters == expected


def test_named_parameters_exist(stages, project):
    for stage in stages.values():
        for file, keys in stage.parameters.items():
            for key in keys or ():
                value = yaml.safe_load((project / file).read_text())
                for part in key.split("."):
                    value = value[part]


def test_no_two_stages_write_the_same_path(stages):
    count = Counter(path for stage in stages.values() for path in stage.outs)
    assert [path for path, times in count.items() if times > 1] == []


def test_every_dependency_on_data_is_made_by_an_earlier_stage(stages):
    made: set[str] = set()
    for name, stage in stages.items():
        assert stage.data <= made | set(stage.outs), name
        made |= set(stage.outs)


@pytest.mark.parametrize("dataset", WRITTEN_INTO)
def test_folders_that_a_killed_run_goes_on_from_are_kept(stages, path_of, dataset):
    outs = {path: options for stage in stages.values() for path, options in stage.outs.items()}
    assert outs[path_of(dataset)] == {"persist": True}


@pytest.mark.parametrize("dataset", NOT_TRACKED)
def test_exceptions_are_still_needed(registered, path_of, dataset):
    assert any(dataset in registered[name].datasets() for name in STAGES)
    assert path_of(dataset) is not None


def test_summaries_of_results_are_metrics_and_stay_in_the_cache(stages, registered, catalog, path_of):
    made = set().union(*(registered[name].all_outputs() for name in STAGES))
    logged = {name for name in made if (catalog.get(name).metadata or {}).get("mlflow") == "metrics"}
    metrics = {path: options for stage in stages.values() for path, options in stage.metrics.items()}
    # Everything in data/ is ignored by git: a metric outside DVC's cache would be nowhere.
    assert metrics == {path_of(name): {} for name in logged}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=None)


def _file(module: str, project: Path) -> str:
    path = Path("src", *module.split("."))
    return (path / "__init__.py" if (project / path).is_dir() else path.with_suffix(".py")).as_posix()


@pytest.mark.parametrize("name", STAGES)
def test_code_dependencies_are_what_the_pipeline_imports(stages, imports, project, name):
    own = f"{PACKAGE}.pipelines.{name}"
    needed = imports.find_upstream_modules(own, as_package=True) | {own, f"{own}.nodes", f"{own}.pipeline"}
    files = {_file(module, project) for module in needed - UNWATCHED_CODE}
    watched = stages[name].code

    def covers(dependency: str, file: str) -> bool:
        return file == dependency or file.startswith(f"{dependency}/")

    missing = sorted(file for file in files if not any(covers(dependency, file) for dependency in watched))
    assert missing == [], f"{name} imports these, and dvc.yaml does not watch them"
    idle = sorted(dependency for dependency in watched if not any(covers(dependency, file) for file in files))
    assert idle == [], f"dvc.yaml watches these, and {name} does not import them"
    assert all((project / dependency).exists() for dependency in watched)
