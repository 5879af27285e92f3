"""The planes that a volume is cut into for a 2D method."""

from typing import Literal

Planes = Literal["auto", "axial", "three"]
"""``axial`` as the methods are trained and judged, ``three`` planes averaged, or three where voxels allow it."""
