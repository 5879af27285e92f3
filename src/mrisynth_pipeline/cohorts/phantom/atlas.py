"""The average head everyone is derived from: nilearn's bundled ICBM 2009a brain, and a head built around it.

Tissue maps are the templates that ship inside nilearn (nothing is downloaded); the templates stop at the brain,
so the skull, face and neck are made of smooth shapes and of shells at given distances.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from mrisynth_pipeline.cohorts.phantom.grid import HEAD_BOX_MM, HeadGrid, sample

_COARSE_MM = 2.0
"""Voxel size of the distance maps, which are smooth."""


@dataclass(frozen=True)
class Atlas:
    """Maps of the average head, indexed ``[x, y, z]``, RAS+.

    Attributes:
        grey: Grey-matter share [0, 1], 1 mm.
        white: White-matter share [0, 1], 1 mm.
        brain: Soft brain mask [0, 1] including the CSF around and inside it, 1 mm.
        sulci: Likelihood [0, 1] of a sulcus: the middle of cortex that is too thick to be one sheet, 1 mm.
        first_mm: World coordinates of voxel (0, 0, 0) of the 1 mm maps.
        brain_distance: Signed distance from the smoothed brain surface in mm, positive outside, on the coarse
            grid over ``HEAD_BOX_MM``.
        head_distance: Depth under the skin in mm, negative in the air, on the coarse grid.
        ventricles: Share of ventricular CSF [0, 1], on the coarse grid.
        near_ventricles: 1 at the ventricles, falling to 0 over about a centimetre, on the coarse grid.
        sagittal_sinus: Superior sagittal sinus as points [n, 3] in mm.
        coarse_first_mm: World coordinates of voxel (0, 0, 0) of the coarse maps.
        coarse_mm: Voxel size of the coarse maps.
    """

    grey: np.ndarray
    white: np.ndarray
    brain: np.ndarray
    sulci: np.ndarray
    first_mm: np.ndarray
    brain_distance: np.ndarray
    head_distance: np.ndarray
    ventricles: np.ndarray
    near_ventricles: np.ndarray
    sagittal_sinus: np.ndarray
    coarse_first_mm: np.ndarray
    coarse_mm: float


def _signed_distance(mask: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Distance in mm from the surface of a mask, positive outside, smoothed over its voxel steps."""
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    return ndimage.gaussian_filter((outside - inside).astype(np.float32), 1.0)


def ellipsoid(points_mm: np.ndarray, centre: tuple[int, ...], radii: tuple[int, ...]) -> np.ndarray:
    """Roughly the signed distance in mm from an ellipsoid, negative inside; points ``[3, *shape]``."""
    shape = (3, *[1] * (points_mm.ndim - 1))
    scaled = (points_mm - np.reshape(np.array(centre, np.float32), shape)) / np.reshape(
        np.array(radii, np.float32), shape
    )
    return (np.sqrt((scaled**2).sum(0)) - 1.0) * np.float32(min(radii))


def _head_mask(points_mm: np.ndarray, brain_distance: np.ndarray) -> np.ndarray:
    """Everything under the skin: the vault around the brain, the face in front of it, the neck below."""
    x, y, z = points_mm
    vault = brain_distance < 15.0
    face = ellipsoid(points_mm, (0, 32, -52), (62, 66, 62)) < 0
    jaw = ellipsoid(points_mm, (0, 38, -92), (50, 54, 50)) < 0
    nose = ellipsoid(points_mm, (0, 96, -50), (13, 17, 24)) < 0
    neck = (np.hypot(x / 56.0, (y + 28.0) / 62.0) < 1.0) & (z < -40.0)
    head = vault | face | jaw | nose | neck
    return ndimage.gaussian_filter(head.astype(np.float32), 3.0) > 0.5  # rounds the joints


def _read_templates() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Grey and white share and brain mask at 1 mm, cropped to the brain, and the world coordinates of voxel 0."""
    from nilearn import datasets  # imports scikit-learn: a second that only fabricating costs

    mask_image = datasets.load_mni152_brain_mask(resolution=1)
    mask = np.asarray(mask_image.dataobj) > 0
    margin = 4
    cut = tuple(
        slice(max(part.start - margin, 0), part.stop + margin) for part in ndimage.find_objects(mask.astype(np.int8))[0]
    )
    grey, white = (
        np.asarray(load(resolution=1).dataobj, np.float32)[cut]
        for load in (datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    )
    first = mask_image.affine[:3, 3] + [part.start for part in cut]
    return grey, white, mask[cut], first


def _skull_and_head(points: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (mm, coarse grid) from the inner skull, positive outside, and under the skin, positive inside.

    The inner skull is smooth: it does not follow the fissures, so the brain is closed before measuring.
    """
    dilated = ndimage.distance_transform_edt(~mask, sampling=_COARSE_MM) < 8.0
    closed = ndimage.distance_transform_edt(dilated, sampling=_COARSE_MM) > 8.0
    brain_distance = _signed_distance(closed | mask, _COARSE_MM)
    return brain_distance, -_signed_distance(_head_mask(points, brain_distance), _COARSE_MM)


def _ventricles(points: np.ndarray, csf: np.ndarray, brain_distance: np.ndarray) -> np.ndarray:
    """Share of ventricular CSF [0, 1] on the coarse grid: the CSF in the middle of the brain."""
    x, y, z = points
    central = (np.abs(x) < 42) & (y > -62) & (y < 42) & (z > -12) & (z < 38) & (brain_distance < -18)
    # The lower limit rises backwards, which keeps the cisterns around the midbrain out.
    central &= ~((z < 0) & (np.abs(x) < 25) & (y < -18)) & ~((y < -28) & (np.abs(x) < 12))
    return ndimage.gaussian_filter(np.where(central, csf, 0.0).astype(np.float32), 0.6)


@lru_cache(maxsize=2)
def load_atlas(spacing_mm: float) -> Atlas:
    """Load the templates and build the head around them; once per process.

    Args:
        spacing_mm: Voxel size the maps will be read at; they are low-passed for it, against aliasing.

    Returns:
        The atlas.
    """
    grey, white, mask, first = _read_templates()
    points = HeadGrid(_COARSE_MM).mesh()
    mask_there = sample(mask.astype(np.float32), points, first, 1.0, outside=0.0) > 0.5
    tissue_there = sample(grey + white, points, first, 1.0, outside=0.0)
    brain_distance, head_distance = _skull_and_head(points, mask_there)
    ventricles = _ventricles(points, np.where(mask_there, 1.0 - tissue_there, 0.0), brain_distance)

    sulci = _sulci(grey, white, first)
    low_pass = max(spacing_mm - 1.0, 0.0) / 2.355
    brain = ndimage.gaussian_filter(mask.astype(np.float32), max(low_pass, 0.6))
    if low_pass > 0:
        grey, white, sulci = (ndimage.gaussian_filter(share, low_pass) for share in (grey, white, sulci))
    return Atlas(
        grey=grey,
        white=white,
        brain=brain,
        sulci=sulci,
        first_mm=first,
        brain_distance=brain_distance,
        head_distance=head_distance,
        ventricles=ventricles,
        near_ventricles=np.clip(ndimage.gaussian_filter(ventricles, 3.5 / _COARSE_MM) * 2.5, 0, 1),
        sagittal_sinus=_sagittal_sinus(brain_distance),
        coarse_first_mm=HEAD_BOX_MM[:, 0],
        coarse_mm=_COARSE_MM,
    )


def _sulci(grey: np.ndarray, white: np.ndarray, first_mm: np.ndarray) -> np.ndarray:
    """Where an individual has sulci that the average has blurred away, [0, 1].

    Cortex is 2 to 4 mm thick: grey matter farther from white matter belongs to two banks with a sulcus between them,
    which runs along the ridge of the distance from white matter. Deep grey matter and cerebellum are left out.
    """
    away = ndimage.distance_transform_edt(white < 0.45).astype(np.float32)
    ridge = np.clip(-ndimage.gaussian_laplace(np.minimum(away, 9.0), 1.0) / 0.5, 0, 1)
    sulci = ridge * np.clip((away - 1.6) / 1.4, 0, 1) * np.clip(grey / 0.4, 0, 1)
    x, y, z = np.meshgrid(
        *(np.arange(n) + f for n, f in zip(grey.shape, first_mm, strict=True)), indexing="ij", sparse=True
    )
    deep = ((np.abs(x) / 36.0) ** 2 + ((y + 6.0) / 34.0) ** 2 + ((z - 2.0) / 24.0) ** 2) < 1.0
    temporal = ((np.abs(x) - 24.0) / 12.0) ** 2 + ((y + 14.0) / 22.0) ** 2 + ((z + 20.0) / 12.0) ** 2 < 1.0
    hind = (z < -14.0) & (y < -38.0) & (z < -22.0 - 0.35 * (y + 38.0))
    sulci[deep | temporal | hind | (z < -44.0) & (y < -20.0)] = 0.0
    return ndimage.gaussian_filter(sulci, 0.5)


def _sagittal_sinus(brain_distance: np.ndarray) -> np.ndarray:
    """Trace the brain's upper midline edge from the forehead to the occiput, as points [n, 3] in mm."""
    middle = brain_distance[brain_distance.shape[0] // 2]
    hub_y, hub_z = -20.0, 0.0
    points = []
    for angle in np.deg2rad(np.arange(20, 196, 3)):
        radius = np.arange(20.0, 120.0, 1.0)
        y, z = hub_y + radius * np.cos(angle), hub_z + radius * np.sin(angle)
        index = np.stack([(y - HEAD_BOX_MM[1, 0]) / _COARSE_MM, (z - HEAD_BOX_MM[2, 0]) / _COARSE_MM])
        distance = ndimage.map_coordinates(middle, index, order=1, mode="nearest")
        edge = radius[np.argmax(distance > 0.0)] - 2.5
        points.append((0.0, hub_y + edge * np.cos(angle), hub_z + edge * np.sin(angle)))
    return np.array(points, np.float32)
