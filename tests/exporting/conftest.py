"""Tiny models in folders; no test writes into the user's cache or tells anyone of it."""

import pytest

from mrisynth_pipeline.models.baselines import LinearRegression
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture
from mrisynth_pipeline.models.packaging import TrainedModel, save_model
from mrisynth_pipeline.models.resunet import ResUNet

SMALL = CodeBrainArchitecture(posterior_width=4, common_width=4, decoder_width=4, depth=1)
CONTRASTS = ("t1", "t2", "flair")
SHARED = {
    "modalities": list(CONTRASTS),
    "grid": {"size": [20, 24, 16], "spacing_mm": [4.0, 4.0, 4.0]},
    "axes": "[modality, z, y, x], RAS+",
    "training_data": {"cohort": "phantom-test", "synthetic": True, "subjects": 3},
    "date": "2024-05-01",
}


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    monkeypatch.setenv("MRISYNTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def made():
    """Networks by name."""
    return {
        "codebrain": lambda: CodeBrain(CONTRASTS, SMALL),
        "resunet": lambda: ResUNet(CONTRASTS, {"widths": (4, 8), "spatial_dims": 2}),
        "linear": lambda: LinearRegression(CONTRASTS),
    }


@pytest.fixture
def data(tmp_path, made):
    """A project's data folder with two methods, the first also as a package."""
    folder = tmp_path / "project" / "data"
    methods = folder / "06_models"
    save_model(TrainedModel(made["resunet"](), SHARED), methods / "resunet" / "model")
    save_model(TrainedModel(made["resunet"](), SHARED | {"doubt": {}}), methods / "resunet" / "package")
    save_model(TrainedModel(made["linear"](), SHARED), methods / "linear" / "model")
    return folder


@pytest.fixture
def model(data):
    """A model folder."""
    return data / "06_models" / "resunet" / "model"
