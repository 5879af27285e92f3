"""Blood and dura inside the skull: what lights up after contrast agent without being a tumour."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from mrisynth_pipeline.cohorts.phantom.atlas import Atlas
from mrisynth_pipeline.cohorts.phantom.voxels import HeadVoxels

_NAMED = (
    (3.5, ((2, -97, -8), (25, -94, -13), (45, -80, -20), (57, -60, -27), (54, -50, -38))),  # transverse sinus
    (2.5, ((0, -42, 8), (0, -58, 8), (0, -76, 0), (0, -96, -8))),  # straight sinus
    (1.8, ((0, -26, 8), (0, -36, 13), (0, -42, 8))),  # great cerebral vein
    (2.0, ((0, -30, -50), (0, -25, -32), (0, -20, -14))),  # basilar artery
    (2.2, ((17, -6, -36), (13, 4, -25), (15, 2, -16))),  # internal carotid artery
    (1.8, ((15, 2, -16), (28, 2, -18), (40, 4, -12), (44, -4, 2), (48, -18, 10))),  # middle cerebral artery
    (1.5, ((15, 2, -16), (3, 10, -16), (1, 30, -4), (1, 38, 14), (1, 24, 30), (1, 0, 36))),  # anterior cerebral artery
    (1.5, ((0, -20, -14), (14, -28, -12), (20, -45, -6), (14, -70, 2))),  # posterior cerebral artery
)
"""Radius and course (|x|, y, z) of the large vessels, mm in MNI space; on both sides."""

_SAGITTAL_RADIUS_MM = 4.0
_TREE_CONTROL_MM = 8.0
_TREE_RADIUS_MM = 1.9


def _tube(points: Float[np.ndarray, "3 n"], course: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, " n"]:
    """Distance in mm from a polyline, up to 8 mm; infinite beyond."""
    pieces = [np.linspace(a, b, max(int(np.linalg.norm(b - a)), 2)) for a, b in pairwise(course)]
    distance, _ = cKDTree(np.concatenate(pieces)).query(points.T, distance_upper_bound=8.0)
    return distance.astype(np.float32)


def vessels(
    voxels: HeadVoxels, atlas: Atlas, grey: Float[np.ndarray, " n"], csf: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Share of blood: the sinuses, the large arteries, and a random tree of vessels in the sulci.

    Where two independent random fields are both near 0 they trace thin random curves through space, which look like
    vessels on every slice.
    """
    step = voxels.grid.spacing_mm
    # A field changes by about its standard deviation over its control spacing: this is a distance in mm.
    radius = np.hypot(voxels.random(_TREE_CONTROL_MM), voxels.random(_TREE_CONTROL_MM)) * _TREE_CONTROL_MM
    blood = np.clip(0.5 - (radius - _TREE_RADIUS_MM) / max(step, 1.5), 0, 1)
    blood *= np.clip(3.0 * csf + 0.3 * grey, 0, 1) * (voxels.brain_distance < 2)

    midline = np.flatnonzero((np.abs(voxels.points[0]) < 8) & (np.abs(voxels.brain_distance) < 12))
    sinus = voxels.soft(_tube(voxels.points[:, midline], atlas.sagittal_sinus), _SAGITTAL_RADIUS_MM)
    blood[midline] = np.maximum(blood[midline], sinus)
    x, y, z = voxels.points
    for thickness, course in _NAMED:
        corners = np.array(course, np.float32)
        low, high = corners.min(0) - 8.0, corners.max(0) + 8.0
        near = np.flatnonzero(
            (np.abs(x) > low[0]) & (np.abs(x) < high[0]) & (y > low[1]) & (y < high[1]) & (z > low[2]) & (z < high[2])
        )
        mirrored = np.stack([np.abs(x[near]), y[near], z[near]])
        vessel = voxels.soft(_tube(mirrored, corners), thickness) * np.clip(0.4 + 2.0 * csf[near], 0, 1)
        blood[near] = np.maximum(blood[near], vessel)
    return blood


def falx(voxels: HeadVoxels, csf: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Share of the falx: a sheet of dura in the CSF between the hemispheres."""
    sheet = voxels.soft(np.abs(voxels.points[0]), 0.6) * csf
    upper = np.clip((voxels.points[2] - 20.0) / 10.0, 0, 1)
    return 0.7 * sheet * upper * ((voxels.brain_distance < 0) & (voxels.brain_distance > -38))
