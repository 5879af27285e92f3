"""Folders that nodes write into themselves, handed out by the catalog so that no path stands in code."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from mrisynth_pipeline.imaging.subject_file import SubjectStore


class FolderDataset(AbstractDataset[Path, Path]):
    """A folder as a :class:`~pathlib.Path`; made when it is asked for.

    Args:
        filepath: The folder.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The folder, made if need be."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: Path) -> None:
        """Folders are written by the nodes that are handed them."""
        raise DatasetError(f"{self._filepath} is handed out as a folder; nodes write into it themselves")

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class SubjectStoreDataset(FolderDataset):
    """The folder of per-subject files as a :class:`SubjectStore`."""

    def load(self) -> SubjectStore:
        """The store; its files are opened lazily."""
        return SubjectStore(super().load())
