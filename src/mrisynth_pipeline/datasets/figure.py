"""Figures as PNG files that kedro-viz can preview and the report can load again."""

import base64
import io
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import ImagePreview
from matplotlib.figure import Figure


class FigureDataset(AbstractDataset[Figure, bytes]):
    """Saves a matplotlib figure as PNG; loads the PNG's bytes.

    Args:
        filepath: The PNG file.
        dpi: Resolution in dots per inch.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, dpi: int = 130, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self._dpi = dpi
        self.metadata = metadata

    def load(self) -> bytes:
        """The PNG file's content."""
        return self._filepath.read_bytes()

    def save(self, data: Figure) -> None:
        """Draw the figure; an older file is replaced only by a whole new one."""
        buffer = io.BytesIO()
        data.savefig(buffer, format="png", dpi=self._dpi, bbox_inches="tight", facecolor=data.get_facecolor())
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._filepath.with_suffix(".tmp")
        unfinished.write_bytes(buffer.getvalue())
        unfinished.replace(self._filepath)

    def preview(self) -> ImagePreview:
        """The picture for kedro-viz."""
        return ImagePreview(base64.b64encode(self.load()).decode())

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
