"""A copy of the project to run in, and Kedro's view of the real one."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from click.testing import CliRunner, Result
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.framework.project import configure_project, pipelines, settings
from kedro.framework.session import KedroSession
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from mrisynth_pipeline.hooks import end_killed_run
from mrisynth_pipeline.models.door import SamplingImputer

PROJECT = Path(__file__).resolve().parents[1]

os.environ["DO_NOT_TRACK"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For runs in several processes: each takes whole files, for their fixtures' sake.

    All tests that start from the finished project are one such part, so that it is made once; it is the longest and
    comes first, so that all processes end at about the same time.
    """

    def from_finished(item: pytest.Item) -> bool:
        return "finished_project" in item.fixturenames

    items.sort(key=from_finished, reverse=True)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("finished_project" if from_finished(item) else str(item.path)))


@pytest.fixture(scope="session")
def project() -> Path:
    """The repository."""
    return PROJECT


@pytest.fixture(scope="session")
def registered() -> dict[str, Pipeline]:
    """All registered pipelines."""
    configure_project("mrisynth_pipeline")
    pipelines.set_requested(None)
    return dict(pipelines)


@dataclass(frozen=True)
class Configuration:
    """What Kedro makes of one environment."""

    parameters: dict[str, Any]
    catalog: CatalogProtocol


@pytest.fixture(scope="session")
def configured(registered: dict[str, Pipeline]) -> Callable[..., Configuration]:
    """The repository's configuration, no hook called; ``configured("brats", {"cohort": {"raw_dir": "there"}})``."""

    made: dict[str, Configuration] = {}  # each takes seconds; looked at, not changed

    def configuration(env: str, parameters: dict[str, Any] | None = None) -> Configuration:
        name = json.dumps([env, parameters], sort_keys=True)
        if name not in made:
            made[name] = make(env, parameters)
        return made[name]

    def make(env: str, parameters: dict[str, Any] | None) -> Configuration:
        loader = OmegaConfigLoader(PROJECT / "conf", env, parameters, **settings.CONFIG_LOADER_ARGS)
        context = settings.CONTEXT_CLASS(
            project_path=PROJECT,
            config_loader=loader,
            env=env,
            package_name="mrisynth_pipeline",
            hook_manager=_create_hook_manager(),
            runtime_params=parameters,
        )
        # Both at once: Kedro's resolvers are global to the process, and those of the next loader replace these.
        return Configuration(context.params, context.catalog)

    return configuration


class TemporaryProject:
    """The project's settings in a folder of their own; data and tracking stay in it, the code is the installed one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(PROJECT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
        (folder / "conf" / "local").mkdir()
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(PROJECT / name, folder / name)
        (folder / "src").mkdir()  # Kedro wants one

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def copy(self, folder: Path) -> "TemporaryProject":
        """Another one with the same products; what the first's runs left in the tracking database stays behind."""
        twin = TemporaryProject(folder)
        shutil.copytree(self.data, twin.data)
        return twin

    def run(self, parameters: dict[str, Any] | None = None, **arguments: Any) -> None:
        """``kedro run --env test`` in this process."""
        with self.entered():
            configure_project("mrisynth_pipeline")
            with KedroSession.create(
                self.folder, env="test", runtime_params=parameters, save_on_close=False
            ) as session:
                session.run(**arguments)
            assert mlflow.active_run() is None, "the next run would write into this one's"

    def command(self, *arguments: str) -> Result:
        """``kedro ...`` as on the command line, but in this process."""
        with self.entered():
            return CliRunner().invoke(KedroCLI(self.folder), arguments)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Work in the folder; afterwards the process is as it was."""
        environment, search_path = dict(os.environ), list(sys.path)  # Kedro and MLflow write into both
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            try:
                yield
            finally:
                pipelines.set_requested(None)  # a run of some pipelines restricts what the others see
                end_killed_run()
                os.environ.clear()
                os.environ.update(environment)
                sys.path[:] = search_path

    def tracking(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(tracking_uri=f"sqlite:///{self.folder}/mlflow.db")

    def mlflow_runs(self) -> list[mlflow.entities.Run]:
        client = self.tracking()
        return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


@pytest.fixture
def temporary_project(tmp_path) -> TemporaryProject:
    """A project in which nothing has been run."""
    return TemporaryProject(tmp_path / "project")


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory) -> TemporaryProject:
    """A project in which the default pipeline has been run, once for all tests. To be looked at, not to be changed."""
    made = TemporaryProject(tmp_path_factory.mktemp("finished") / "project")
    made.run()
    return made


class DoubtfulAverage(SamplingImputer):
    """A toy on slices: the mean of what is available, drawn with a spread that is known and falls with every input.

    The standard deviation is ``width · (1 − mean) / inputs``; the latent holds the mean and its square.
    """

    name = "doubtful"

    def __init__(self, modalities: tuple[str, ...], width: float = 0.1) -> None:
        super().__init__(modalities, spatial_dims=2, divisor=4)
        self.width = torch.nn.Parameter(torch.tensor(width))

    def predict(self, images, available):
        return self._mean(images, available).expand_as(images)

    def draw(self, images, available, temperature, generator):
        mean = self._mean(images, available)
        spread = temperature * self.width * (1 - mean) / available.sum(1)[:, None, None, None]
        while True:
            yield mean + spread * torch.randn(images.shape, generator=generator)

    def latent(self, images, available):
        mean = self._mean(images, available)
        return torch.cat([mean, mean.square()], dim=1)

    @staticmethod
    def _mean(images, available):
        return (images * available[:, :, None, None]).sum(1, True) / available.sum(1)[:, None, None, None]


@pytest.fixture(scope="session")
def doubtful() -> Callable[..., SamplingImputer]:
    """Makes the toy for some modalities, ``doubtful(("t1", "t2"), width=0.1)``."""
    return lambda *arguments, **options: DoubtfulAverage(*arguments, **options).eval()
