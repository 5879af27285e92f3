"""Blood and dura inside the skull: what lights up after contrast agent without being a tumour."""

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from mrisynth_pipeline.cohorts.phantom.atlas import Atlas
from mrisynth_pipeline.cohorts.phantom.voxels import HeadVoxels

_SINUS_RADIUS_MM = 3.6
_TREE_CONTROL_MM = 11.0
_TREE_RADIUS_MM = 1.1


def vessels(
    voxels: HeadVoxels, atlas: Atlas, csf: Float[np.ndarray, " n"], white: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Share of blood: the superior sagittal sinus, and a random tree of vessels in the sulci.

    Where two independent random fields are both near 0 they trace thin random curves through space, which look like
    vessels on every slice.
    """
    step = voxels.grid.spacing_mm
    blood = np.zeros(len(csf), np.float32)
    near = np.flatnonzero((np.abs(voxels.points[0]) < 8 + step) & (np.abs(voxels.brain_distance) < 10 + step))
    away, _ = cKDTree(atlas.sagittal_sinus).query(voxels.points[:, near].T)
    blood[near] = voxels.soft(away - _SINUS_RADIUS_MM)
    # A field changes by about its standard deviation over its control spacing: this is a distance in mm.
    radius = np.hypot(voxels.random(_TREE_CONTROL_MM), voxels.random(_TREE_CONTROL_MM)) * _TREE_CONTROL_MM
    tree = np.clip(0.5 - (radius - _TREE_RADIUS_MM) / max(step, 1.5), 0, 1) * min(1.5 / step, 1.0)
    tree *= np.clip(2.2 * csf + 0.08 * white, 0, 1) * (voxels.brain_distance < 3)
    return np.maximum(blood, tree)


def falx(voxels: HeadVoxels, csf: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Share of the falx: a sheet of dura in the CSF between the hemispheres."""
    sheet = voxels.soft(np.abs(voxels.points[0]) - 0.6) * csf
    upper = np.clip((voxels.points[2] - 20.0) / 10.0, 0, 1)
    return 0.7 * sheet * upper * ((voxels.brain_distance < 0) & (voxels.brain_distance > -38))
