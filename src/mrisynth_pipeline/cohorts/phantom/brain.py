"""Grey matter, white matter and CSF of one person, and what is special about some places in them."""

import numpy as np
from jaxtyping import Float

from mrisynth_pipeline.cohorts.phantom.atlas import Atlas, ellipsoid
from mrisynth_pipeline.cohorts.phantom.grid import sample
from mrisynth_pipeline.cohorts.phantom.voxels import HeadVoxels

_SHARPENING = 2.2
"""Power to which the average's tissue probabilities are raised: from 152 people's blur to one person's edges."""

_IRON_RICH = (
    ((19, -4, -1), (6, 9, 6), 1.0),  # pallidum
    ((27, 3, 1), (6, 16, 10), 0.55),  # putamen
    ((13, 14, 8), (6, 12, 10), 0.5),  # head of the caudate
    ((11, -19, 8), (9, 13, 8), 0.25),  # thalamus
    ((5, -20, -9), (4, 5, 4), 0.9),  # red nucleus
    ((10, -18, -13), (6, 7, 4), 0.9),  # substantia nigra
    ((15, -57, -34), (8, 8, 6), 0.7),  # dentate nucleus
)
"""Centre (|x|, y, z) and radii in mm in MNI space, iron relative to the pallidum (Hallgren & Sourander 1958)."""


def brain_tissues(voxels: HeadVoxels, atlas: Atlas) -> dict[str, Float[np.ndarray, " n"]]:
    """Grey, white and CSF shares: the average maps sharpened into one person's.

    The templates are averages of 152 people, in which sulci blur away. Raising the probabilities to a power after
    adding random fields to their logarithms draws one brain from them: where the average is sure nothing changes,
    where it is not, the fields decide. CSF is opened along the atlas's sulci, each person's more or less wide; the
    zero sheets of the folding field become further small sulci, its extremes white-matter blades.

    Args:
        voxels: The head's voxels.
        atlas: The average head.

    Returns:
        ``grey``, ``white``, ``csf``: shares that add up to the brain mask.
    """
    inside = voxels.brain > 0.02
    grey, white, sulci = (
        np.clip(sample(share, voxels.points[:, inside], atlas.first_mm, 1.0, outside=0.0), 0, 1)
        for share in (atlas.grey, atlas.white, atlas.sulci)
    )
    csf = np.clip(1.0 - grey - white, 0, 1)
    folds, detail, width = (voxels.random(control_mm)[inside] for control_mm in (7.0, 4.5, 14.0))
    atrophy = voxels.generator.uniform(-0.35, 0.35)
    sheets = 0.6 * np.exp(-((folds / 0.3) ** 2))
    # The cerebellum's folia are finer and closer than gyri; large voxels blur them.
    _, y, z = voxels.points[:, inside]
    cerebellum = (z < -14) & (y < -38) & (z < -24 - 0.35 * (y + 38))
    visible = 1.6 * min(1.5 / voxels.grid.spacing_mm, 1.0)
    sheets += visible * cerebellum * np.exp(-((detail / 0.25) ** 2))
    logits = np.stack(
        [
            np.log(grey + 0.01),
            np.log(white + 0.01) + 0.45 * (np.abs(folds) - 0.8) - 0.2 * detail,
            np.log(csf + 0.02) - 0.4 + atrophy + 0.2 * detail + sheets,
        ]
    )
    logits[2] += sulci * (2.1 + 0.6 * np.clip(width, -2, 2))
    logits *= np.float32(_SHARPENING)
    logits -= logits.max(0)
    np.exp(logits, out=logits)
    logits *= voxels.brain[inside] / logits.sum(0)
    result = {}
    for name, share in zip(("grey", "white", "csf"), logits, strict=True):
        result[name] = np.zeros(len(inside), np.float32)
        result[name][inside] = share
    return result


def _mirrored(points: Float[np.ndarray, "3 n"]) -> Float[np.ndarray, "3 n"]:
    """Points with both hemispheres laid onto the right one."""
    return np.stack([np.abs(points[0]), points[1], points[2]])


def iron_content(points: Float[np.ndarray, "3 n"]) -> Float[np.ndarray, " n"]:
    """Iron of deep grey matter at atlas coordinates (mm), 0 to 1."""
    iron = np.zeros(points.shape[1], np.float32)
    low, high = np.array([[-36], [-70], [-45]]), np.array([[36], [30], [22]])
    near = np.flatnonzero(np.all((points > low) & (points < high), axis=0))
    mirrored = _mirrored(points[:, near])
    for centre, radii, content in _IRON_RICH:
        nucleus = content * np.clip(0.5 - ellipsoid(mirrored, centre, radii) / 5.0, 0, 1)
        iron[near] = np.maximum(iron[near], nucleus)
    return iron


def choroid_plexus(voxels: HeadVoxels, csf: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Share of choroid plexus: a lobulated tuft in the atrium of each lateral ventricle."""
    lobules = np.clip(0.7 + 0.4 * voxels.random(4.0), 0, 1)
    return voxels.soft(ellipsoid(_mirrored(voxels.points), (24, -40, 10), (4, 8, 5))) * csf * lobules


def periventricular_caps(voxels: HeadVoxels, white: Float[np.ndarray, " n"]) -> dict[str, Float[np.ndarray, " n"]]:
    """White matter split at the ventricles' horns, where it holds more water, the more the older the person.

    Returns:
        ``white`` without and ``cap`` with the watery part.
    """
    horns = np.clip((np.abs(voxels.points[1] + 12.0) - 18.0) / 15.0, 0.15, 1)
    amount = np.clip(voxels.generator.normal(0.45, 0.2), 0.1, 0.9)
    cap = white * voxels.near_ventricles * horns * np.float32(amount)
    return {"white": white - cap, "cap": cap}
