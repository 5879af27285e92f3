"""The names by which misalignments are told: what was moved, how, how far."""

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
