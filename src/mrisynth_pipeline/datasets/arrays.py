"""Named arrays in one safetensors file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset
from safetensors.numpy import load_file, save_file


class OptionalArraysDataset(AbstractDataset[dict[str, np.ndarray], dict[str, np.ndarray] | None]):
    """Named arrays of any shape and type; a missing file loads as ``None``.

    Args:
        filepath: The safetensors file.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, np.ndarray] | None:
        """The arrays by name, or ``None``."""
        return load_file(self._filepath) if self._exists() else None

    def save(self, data: dict[str, np.ndarray]) -> None:
        """Write all arrays at once: a killed run leaves the old file or the new one."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._filepath.with_name(f".{self._filepath.name}.{os.getpid()}")
        try:
            save_file({name: np.ascontiguousarray(array) for name, array in data.items()}, unfinished)
            unfinished.replace(self._filepath)
        finally:
            unfinished.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
