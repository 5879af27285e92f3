"""Noise-free images: the signal equation of a sequence applied to a head."""

import numpy as np
from jaxtyping import Float

from mrisynth_pipeline.cohorts.phantom.anatomy import Head
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field
from mrisynth_pipeline.cohorts.phantom.signal import Sequence, shortened_t1_ms
from mrisynth_pipeline.cohorts.phantom.tissue import Tissue

_TEXTURE = {"t1": 0.012, "t2": 0.018, "density": 0.008}
"""Standard deviation of the local variation of T1, T2 and proton density within brain tissue. They vary independently
of each other, so that no contrast is a function of the others; small, so that it nearly is one."""

_FREE_WATER = ("csf", "canal")
"""Tissues whose T1 does not depend on the field strength."""


def draw_textures(generator: np.random.Generator, grid: HeadGrid) -> dict[str, Float[np.ndarray, "x y z"]]:
    """Draw the local variation of T1, T2 and proton density of one person.

    Args:
        generator: Source of randomness.
        grid: The head's grid.

    Returns:
        ``t1``, ``t2``, ``density``: relative deviation around 0, with features of one to four centimetres.
    """
    return {
        name: np.float32(share)
        * (0.75 * random_field(generator, grid.axes, 9.0) + 0.66 * random_field(generator, grid.axes, 20.0))
        for name, share in _TEXTURE.items()
    }


def signal_map(
    sequence: Sequence,
    contrast_agent: bool,
    head: Head,
    tissues: dict[str, Tissue],
    textures: dict[str, Float[np.ndarray, "x y z"]],
    field_factor: float = 1.0,
) -> Float[np.ndarray, "x y z"]:
    """Signal of every voxel: that of its tissues, each weighted by its share (partial volume).

    Args:
        sequence: Pulse sequence.
        contrast_agent: Whether gadolinium was given.
        head: The person.
        tissues: The person's tissue properties.
        textures: Their local variation.
        field_factor: Factor on T1 for the scanner's field strength.

    Returns:
        Signal relative to pure water's full magnetisation, [0, 1]; 0 in air.
    """
    total = np.zeros(int(np.prod(head.grid.shape)), np.float32)
    variation = {name: texture.ravel() for name, texture in textures.items()}
    iron, myelin = head.iron.ravel(), head.myelin.ravel()
    for name, index, share in head.shares:
        tissue = tissues[name]
        local = {key: 1.0 + np.float32(tissue.texture) * values[index] for key, values in variation.items()}
        t1 = np.float32(tissue.t1_ms * (1.0 if name in _FREE_WATER else field_factor)) * local["t1"]
        t2 = np.float32(tissue.t2_ms) * local["t2"]
        if name in ("grey", "white"):
            t2 *= 1.0 - 0.30 * iron[index]
            t1 *= 1.0 - 0.10 * iron[index]
        if name == "white":
            t1 *= 1.0 - 0.07 * myelin[index]
        if contrast_agent and tissue.gadolinium_mm > 0:
            t1 = shortened_t1_ms(t1, tissue.gadolinium_mm)
        total[index] += share * sequence.signal(np.float32(tissue.density) * local["density"], t1, t2)
    return total.reshape(head.grid.shape)


def white_matter_level(signal: Float[np.ndarray, "x y z"], head: Head) -> float:
    """Median signal of nearly pure white matter, the unit of noise and of stored intensities."""
    index, share = head.shares.parts["white"]
    pure = index[share > min(0.9, 0.98 * float(share.max()))]  # at coarse voxel sizes little is pure
    return float(np.median(signal.ravel()[pure]))
