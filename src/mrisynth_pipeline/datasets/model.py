"""Trained networks: a folder of safetensors weights and a model card."""

import json
import shutil
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from mrisynth_pipeline.models.packaging import CARD, WEIGHTS, TrainedModel, load_model, save_model


class ModelDataset(AbstractDataset[TrainedModel, TrainedModel]):
    """A model folder; see :mod:`mrisynth_pipeline.models.packaging`.

    Args:
        filepath: The folder.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> TrainedModel:
        """Network (on the CPU, in evaluation mode) and card."""
        return load_model(self._filepath)

    def save(self, data: TrainedModel) -> None:
        """Write weights and card."""
        save_model(data, self._filepath)

    def preview(self) -> JSONPreview:
        """The model card for kedro-viz."""
        return JSONPreview(json.dumps(json.loads((self._filepath / CARD).read_text())))

    def _exists(self) -> bool:
        return (self._filepath / WEIGHTS).is_file() and (self._filepath / CARD).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class OptionalModelDataset(ModelDataset):
    """A model folder, if something has been trained: a missing one loads as ``None``."""

    def load(self) -> TrainedModel | None:
        """Network and card, or ``None``."""
        return super().load() if self._filepath.exists() else None


class OptionalPackageDataset(OptionalModelDataset):
    """A model folder ready for use, of a method that may not have been trained."""

    def save(self, data: TrainedModel | dict) -> None:
        """Write weights and card; nothing of ``{}``, for which an older folder is taken away."""
        if data:
            super().save(data)
        else:
            shutil.rmtree(self._filepath, ignore_errors=True)
