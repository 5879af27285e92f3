"""Models in MLflow's registry: put there without a pickle, and brought back as packages."""

import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import mlflow
import numpy as np
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from mrisynth_pipeline import __version__
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.cache import cache_folder
from mrisynth_pipeline.exporting.card_text import contrasts_of, training_text
from mrisynth_pipeline.exporting.package import write_package
from mrisynth_pipeline.exporting.reading import load_imputer
from mrisynth_pipeline.exporting.whole import appearing
from mrisynth_pipeline.models.packaging import CARD, TrainedModel

EXPERIMENT = "mrisynth_pipeline"
PACKAGE = "package"
_SQLITE = "sqlite:///"
_EXAMPLE_SIZE = 8

_SERVING = Path(__file__).with_name("serving.py")

for _name in ("alembic", "mlflow.store.db.utils", "mlflow.pyfunc"):  # a new database is set up in sixty lines
    logging.getLogger(_name).setLevel(logging.WARNING)


def store_of(data_dir: Path) -> str:
    """``MLFLOW_TRACKING_URI``, or the database that the project's runs are tracked in."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{data_dir.resolve().parent / 'mlflow.db'}"


def register(model: Path, name: str, tracking_uri: str) -> str:
    """Register an imputer as an ``mlflow.pyfunc`` model whose code is a text file and whose artifact is the package.

    Args:
        model: Folder of an imputer.
        name: Registered model; a new version is made where there is one.
        tracking_uri: MLflow store.

    Returns:
        ``models:/name/version``.

    Raises:
        InputError: The model cannot be read, or MLflow refuses.
    """
    loaded = load_imputer(model)
    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    try:
        run = client.create_run(_experiment(client, tracking_uri), run_name=f"export {name}")
        with tempfile.TemporaryDirectory() as workplace:
            saved = _saved(model, loaded, Path(workplace))
            client.log_artifacts(run.info.run_id, str(saved), saved.name)
        client.set_terminated(run.info.run_id)
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name, description=str(loaded.card.get("intended_use", "")))
        about = (
            f"{loaded.network.name}: {', '.join(contrasts_of(loaded.card))}; trained on {training_text(loaded.card)}"
        )
        source = f"{run.info.artifact_uri}/{saved.name}"
        version = client.create_model_version(name, source, run.info.run_id, description=about)
    except MlflowException as error:
        raise InputError(tracking_uri, f"MLflow refuses ({error.message})", "Check name and store") from error
    return f"models:/{name}/{version.version}"


def fetch(uri: str, tracking_uri: str) -> Path:
    """The package of a registered model, in the user's cache; downloaded once.

    Args:
        uri: ``models:/name/version``, ``models:/name/latest`` or ``models:/name@alias``.
        tracking_uri: MLflow store.

    Returns:
        A model folder.

    Raises:
        InputError: The store or the model is not there, or it is not one of this software's.
    """
    remedy = "Register one with `mrisynth export MODEL --register NAME`, or name the store with --tracking-uri"
    if tracking_uri.startswith(_SQLITE) and not Path(tracking_uri.removeprefix(_SQLITE)).is_file():
        raise InputError(tracking_uri, "there is no such database, so no registry", remedy)
    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    try:
        version = _version(client, uri)
        folder = cache_folder("registry", tracking_uri, version.name, version.version, version.creation_timestamp)
        if not folder.is_dir():
            source = client.get_model_version_download_uri(version.name, version.version)
            with tempfile.TemporaryDirectory() as workplace:
                mlflow.artifacts.download_artifacts(source, dst_path=workplace, tracking_uri=tracking_uri)
                found = sorted(Path(workplace).rglob(CARD))
                if not found:
                    raise InputError(uri, f"holds no {CARD}, so it is not a model of this software", remedy)
                with appearing(folder, overwrite=True) as unfinished:
                    shutil.copytree(found[0].parent, unfinished)
    except (MlflowException, OSError) as error:
        message = getattr(error, "message", str(error))
        raise InputError(uri, f"cannot be had from {tracking_uri} ({message})", remedy) from error
    return folder


def _version(client: MlflowClient, uri: str):
    """The version that a URI names.

    Raises:
        InputError: It is malformed, or the model has no version.
    """
    remedy = "Write models:/NAME/VERSION, models:/NAME/latest or models:/NAME@ALIAS"
    name, separator, which = uri.removeprefix("models:/").rpartition("@" if "@" in uri else "/")
    if not name or not which:
        raise InputError(uri, "names no version", remedy)
    if separator == "@":
        return client.get_model_version_by_alias(name, which)
    if which != "latest":
        return client.get_model_version(name, which)
    versions = client.search_model_versions(f"name = '{name}'")
    if not versions:
        raise InputError(uri, "there is no such model in the registry", remedy)
    return max(versions, key=lambda version: int(version.version))


def _experiment(client: MlflowClient, tracking_uri: str) -> str:
    """The experiment of this project's runs; one that must be made keeps its files beside the database."""
    if found := client.get_experiment_by_name(EXPERIMENT):
        return found.experiment_id
    local = tracking_uri.startswith(_SQLITE)
    artifacts = (Path(tracking_uri.removeprefix(_SQLITE)).resolve().parent / "mlruns").as_uri() if local else None
    return client.create_experiment(EXPERIMENT, artifacts)


def _saved(model: Path, loaded: TrainedModel, workplace: Path) -> Path:
    """The MLflow model as a folder, without a word of where it was made."""
    package = write_package(model, workplace / PACKAGE)
    n = len(loaded.network.modalities)
    images = TensorSpec(np.dtype(np.float32), (-1, n, -1, -1, -1), "images")
    available = TensorSpec(np.dtype(bool), (-1, n), "available")
    saved = workplace / "imputer"
    signature = ModelSignature(
        inputs=Schema([images, available]), outputs=Schema([TensorSpec(images.type, (-1, n, -1, -1, -1))])
    )
    with warnings.catch_warnings(record=True):  # it asks for type hints, and knows none for arrays
        mlflow.pyfunc.save_model(
            saved,
            python_model=str(_SERVING),
            artifacts={PACKAGE: str(package)},
            signature=signature,
            input_example=_example(n),
            pip_requirements=[f"mrisynth_pipeline=={__version__}"],
        )
    _forget_where(saved / "MLmodel")
    return saved


def _example(n: int) -> dict[str, np.ndarray]:
    """A bright cube in a small volume, of which all contrasts but the last are there."""
    images = np.zeros((1, n, *(_EXAMPLE_SIZE,) * 3), dtype=np.float32)
    images[:, :-1, 2:6, 2:6, 2:6] = 0.5
    available = np.ones((1, n), dtype=bool)
    available[:, -1] = False
    return {"images": images, "available": available}


def _forget_where(path: Path) -> None:
    """Take the paths of this machine out of an ``MLmodel`` file, which MLflow writes as they were handed to it."""
    about = yaml.safe_load(path.read_text(encoding="utf-8"))
    flavour = about["flavors"]["python_function"]
    flavour["model_code_path"] = Path(flavour["model_code_path"]).name
    for artifact in flavour["artifacts"].values():
        artifact["uri"] = artifact["path"]
    path.write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")
