"""The names by which misalignments are told: what was moved, how, how far."""

from typing import Any

import pandas as pd

NONE, TRANSLATION_MM, ROTATION_DEG, TRANSLATION_PIXELS = "none", "translation_mm", "rotation_deg", "translation_pixels"
"""Kinds of a case: as prepared, shifted in space, turned in space, shifted in the axial plane."""

KINDS = (TRANSLATION_PIXELS, TRANSLATION_MM, ROTATION_DEG)
"""Kinds that move something, in the order of figures and tables."""

TRANSLATION_COLUMNS = ("translation_z", "translation_y", "translation_x")
"""Shift in voxels, positive towards higher indices."""
ROTATION_COLUMNS = ("rotation_z", "rotation_y", "rotation_x")
"""Angles in radians; see :func:`~mrisynth_pipeline.imaging.displacement.displace`."""

CASE_KEYS = ("subject", "inputs", "target", "kind", "amount", "repeat", "registered")
"""Columns that identify one case."""


def shown_case(cases: pd.DataFrame) -> dict[str, Any] | None:
    """The case of the example figure: the farthest shift in space of the first subject, not registered."""
    shifts = cases[(cases["kind"] == TRANSLATION_MM) & ~cases["registered"]]
    if shifts.empty:
        return None
    return shifts[shifts["subject"] == shifts["subject"].iloc[0]].nlargest(1, "amount").to_dict("records")[0]
