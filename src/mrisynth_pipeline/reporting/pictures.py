"""Figures inside a page."""

import base64
import io
from dataclasses import dataclass

from matplotlib.figure import Figure
from PIL import Image

from mrisynth_pipeline.reporting.style import DOTS_PER_INCH, png_bytes

_PIXELS_PER_INCH = 110  # of CSS: figures are drawn for a printed page and shown slightly larger on screen


@dataclass(frozen=True)
class Picture:
    """A figure as a template needs it."""

    source: str
    """The PNG as a data address."""
    width: int
    height: int
    caption: str
    section: str


def picture(image: Figure | bytes, caption: str, section: str = "") -> Picture:
    """A figure with the size at which it was designed.

    Args:
        image: A matplotlib figure, or the content of a PNG file.
        caption: What is seen; also read out by screen readers.
        section: Where the page shows it.

    Raises:
        ValueError: The bytes are no PNG.
    """
    png = image if isinstance(image, bytes) else png_bytes(image)
    with Image.open(io.BytesIO(png)) as opened:
        if opened.format != "PNG":
            raise ValueError(f"a report figure must be a PNG, not {opened.format}")
        scale = _PIXELS_PER_INCH / opened.info.get("dpi", (DOTS_PER_INCH,))[0]
        width, height = (round(side * scale) for side in opened.size)
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    return Picture(source, width, height, caption, section)
