"""Kedro's file datasets, written whole or not at all: a killed run leaves the old file or the new one."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets import json, pandas, text


class AtomicSave:
    """Mixin for local single-file datasets: writes a file beside the final one, then renames it."""

    _filepath: PurePosixPath

    def save(self, data: Any) -> None:
        """Save as the dataset does, but all at once."""
        final = self._filepath
        unfinished = final.with_name(f".{final.name}.{os.getpid()}")
        self._filepath = unfinished
        try:
            super().save(data)
            Path(unfinished).replace(final)
        finally:
            self._filepath = final
            Path(unfinished).unlink(missing_ok=True)


class CSVDataset(AtomicSave, pandas.CSVDataset):
    """A table as CSV."""


class Optional:
    """Mixin for datasets that need not be there: a missing file loads as ``None``.

    Only nodes marked with :func:`~mrisynth_pipeline.pipelines.products.may_lack` are handed it; for any other a hook
    says what is missing.
    """

    def load(self) -> Any:
        """The content, or ``None``."""
        return super().load() if self._exists() else None


class OptionalCSVDataset(Optional, CSVDataset):
    """A table as CSV, if it is there."""


class OptionalParquetDataset(Optional, AtomicSave, pandas.ParquetDataset):
    """A table as parquet, if it is there."""


class JSONDataset(AtomicSave, json.JSONDataset):
    """A JSON file."""


class OptionalJSONDataset(Optional, JSONDataset):
    """A JSON file, if it is there."""


class TextDataset(AtomicSave, text.TextDataset):
    """A text file."""
