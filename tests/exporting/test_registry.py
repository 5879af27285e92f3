"""What is registered comes back as it was, can be served by MLflow, and holds no pickle and no path of this machine."""

import warnings
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.registry import fetch, register, store_of
from mrisynth_pipeline.exporting.shelf import resolve_model
from mrisynth_pipeline.models.door import impute_volume
from mrisynth_pipeline.models.packaging import CARD, WEIGHTS, load_model

NAME = "lab-imputer"


@pytest.fixture
def store(data):
    return store_of(data)


@pytest.fixture
def registered(model, store):
    return register(model, NAME, store)


def test_a_registered_model_is_found_by_its_name(registered, data, model, tmp_path):
    assert registered == f"models:/{NAME}/1"
    folder = resolve_model(registered, data)
    assert folder.is_relative_to(tmp_path / "cache")
    assert all((folder / name).read_bytes() == (model / name).read_bytes() for name in (CARD, WEIGHTS))
    assert resolve_model(registered, data) == folder


def test_versions_and_aliases(registered, data, store):
    second = register(data / "06_models" / "linear" / "model", NAME, store)
    assert second == f"models:/{NAME}/2"
    mlflow.MlflowClient(store).set_registered_model_alias(NAME, "best", "1")
    assert resolve_model(f"models:/{NAME}/latest", data) == resolve_model(second, data)
    assert resolve_model(f"models:/{NAME}@best", data) == resolve_model(registered, data)


def test_mlflow_serves_it(registered, model, store):
    network = load_model(model).network
    generator = np.random.default_rng(0)
    images = generator.random((2, 3, 4, 24, 20), dtype=np.float32)
    available = np.array([[True, False, True], [False, True, False]])
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            served = mlflow.pyfunc.load_model(registered)
        imputed = served.predict({"images": images, "available": available})
        with pytest.raises(mlflow.exceptions.MlflowException, match="Failed to enforce schema"):
            served.predict({"images": images[:, :2], "available": available})
        with pytest.raises(ValueError, match="at least one modality"):
            served.predict({"images": images, "available": np.zeros_like(available)})
    finally:
        mlflow.set_tracking_uri(before)
    for made, volumes, have in zip(imputed, images, available, strict=True):
        expected = impute_volume(network, torch.from_numpy(volumes), torch.from_numpy(have))
        np.testing.assert_array_equal(made, expected.numpy())


def test_no_pickle_and_no_path_of_this_machine_is_logged(registered, data, tmp_path):
    files = [path for path in (data.parent / "mlruns").rglob("*") if path.is_file()]
    assert {"MLmodel", "serving.py", WEIGHTS, CARD} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".pth", ".bin"}
        assert not content.startswith((b"\x80", b"PK"))
        for root in (tmp_path, Path.home(), Path(__file__).parents[2]):
            assert f"{root}/".encode() not in content, path


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("models:/other/1", "cannot be had from"),
        (f"models:/{NAME}/7", "cannot be had from"),
        ("models:/other/latest", "no such model in the registry"),
        (f"models:/{NAME}", "names no version"),
    ],
)
def test_what_is_not_registered(registered, data, uri, problem):
    with pytest.raises(InputError, match=problem):
        resolve_model(uri, data)


def test_a_registry_that_is_not_there_is_not_made(data):
    with pytest.raises(InputError, match="no such database"):
        fetch("models:/any/1", store_of(data))
    assert not (data.parent / "mlflow.db").exists()


def test_another_models_version_is_refused(data, store, tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "MLmodel").write_text("flavors: {}")
    client = mlflow.MlflowClient(store)
    client.create_registered_model("foreign")
    client.create_model_version("foreign", str(tmp_path / "foreign"))
    with pytest.raises(InputError, match=r"holds no model_card\.json"):
        resolve_model("models:/foreign/1", data)
