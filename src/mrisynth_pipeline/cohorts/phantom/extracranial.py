"""What lies around the brain: meninges, skull, scalp, face and neck."""

import numpy as np
from jaxtyping import Float

from mrisynth_pipeline.cohorts.phantom.atlas import ellipsoid
from mrisynth_pipeline.cohorts.phantom.voxels import HeadVoxels

_AIR = (
    ((0, 62, -48), (9, 26, 22)),  # nasal cavity
    ((27, 52, -48), (12, 14, 15)),  # maxillary sinuses
    ((0, 14, -80), (10, 9, 34)),  # pharynx
    ((8, 76, -12), (9, 6, 9)),  # frontal sinuses
    ((0, -2, -128), (8, 8, 40)),  # trachea
    ((48, -30, -42), (8, 10, 9)),  # mastoid cells
)
"""Centre (|x|, y, z) and radii in mm in MNI space."""


def bony_shells(voxels: HeadVoxels) -> dict[str, Float[np.ndarray, " n"]]:
    """Layers at given distances from the smoothed brain surface; their thickness varies smoothly over the head.

    Subarachnoid CSF, dura, inner table, marrow of the diploe, outer table. The shell ends at the skull base.

    Returns:
        Shares of ``csf``, ``dura``, ``bone``, ``marrow`` and, for what lies outside them, ``soft``.
    """
    distance = voxels.brain_distance
    free = voxels.soft(-voxels.head_depth) * (1.0 - voxels.brain)
    thickness = 1.0 + 0.18 * voxels.random(45.0)
    inner = np.clip(1.0 + 0.6 * voxels.random(30.0), 0.3, 2.5)
    vault = np.clip((voxels.points[2] + 52.0) / 6.0, 0, 1)
    table, diploe = 1.8 * thickness, 3.6 * thickness
    edges = [inner, inner + 1.2, inner + 1.2 + table, inner + 1.2 + table + diploe]
    edges.append(edges[-1] + table)
    # Share of the voxel within each edge; a layer is the difference of two.
    within = [voxels.soft(distance - edge) for edge in edges]
    bubbles = np.clip(0.75 + 0.3 * voxels.random(8.0), 0, 1)
    marrow = free * (within[3] - within[2]) * vault * bubbles
    rigid = np.maximum(vault, np.clip(1.0 - np.abs(voxels.head_depth - 30.0) / 40.0, 0, 1))
    bone = free * (within[4] - within[1]) * rigid - marrow
    return {
        "csf": free * within[0],
        "dura": free * (within[1] - within[0]),
        "bone": np.maximum(bone, 0),
        "marrow": marrow,
        "soft": free * (1.0 - within[1]) - np.maximum(bone, 0) - marrow,
    }


def face_and_scalp(voxels: HeadVoxels, soft: Float[np.ndarray, " n"]) -> dict[str, Float[np.ndarray, " n"]]:
    """Fill what is neither brain nor skull: skin, fat, muscle, eyes, spine, and air in nose and throat.

    Args:
        voxels: The head's voxels.
        soft: Share of each voxel to fill.

    Returns:
        Shares of ``fat``, ``muscle``, ``vitreous``, ``vertebra``, ``cord`` and ``canal``.
    """
    listed = np.flatnonzero(soft > 0.005)
    x, y, z = points = voxels.points[:, listed]
    mirrored = np.stack([np.abs(x), y, z])
    depth = voxels.head_depth[listed]
    foam = voxels.random(6.0)[listed]
    septa = voxels.random(13.0)[listed]
    layer = 5.5 + 1.2 * voxels.random(35.0)[listed]

    cavities = np.min([ellipsoid(mirrored, centre, radii) for centre, radii in _AIR], axis=0)
    air = voxels.soft(cavities) * np.clip(1.1 + 0.5 * foam, 0, 1) * (depth > 2)
    room = soft[listed] * (1.0 - air)
    eye = voxels.soft(ellipsoid(mirrored, (33, 66, -36), (12, 12, 12)))
    socket = np.maximum(voxels.soft(ellipsoid(mirrored, (32, 54, -36), (17, 24, 17))) - eye, 0)
    rest = room * (1.0 - eye - socket)
    skin = rest * voxels.soft(depth - 1.8)
    fat_layer = np.maximum(rest * voxels.soft(depth - layer) - skin, 0)
    deep = rest - skin - fat_layer
    neck = points[2] < -55
    axis = np.hypot(x, y + 42.0)
    cord = voxels.soft(axis - 4.5) * neck
    canal = voxels.soft(axis - 8.5) * neck - cord
    vertebra = np.clip(0.5 - (np.hypot(x, y + 38.0) - 17.0) / 6.0, 0, 1) * (z < -60) * (1.0 - cord - canal)
    flesh = deep * (1.0 - cord - canal - vertebra)
    septum = 0.10 + 0.06 * foam + 0.28 * np.exp(-((septa / 0.2) ** 2))  # fat within and between muscles
    septum = np.clip(septum, 0, 1)
    result = {}
    for name, share in (
        ("fat", fat_layer + room * socket + flesh * septum),
        ("muscle", skin + flesh * (1.0 - septum)),
        ("vitreous", room * eye),
        ("vertebra", deep * vertebra),
        ("cord", deep * cord),
        ("canal", deep * canal),
    ):
        result[name] = np.zeros(len(soft), np.float32)
        result[name][listed] = share
    return result
