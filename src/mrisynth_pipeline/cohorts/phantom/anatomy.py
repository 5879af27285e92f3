"""One person's head: the share of each tissue in every voxel."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage
from scipy.spatial import cKDTree

from mrisynth_pipeline.cohorts.phantom.atlas import Atlas, ellipsoid
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid, sample
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field

_LEAST_SHARE = 0.01
"""Smaller tissue shares are dropped: they would cost memory and change nothing."""


@dataclass
class TissueShares:
    """Tissue shares kept sparsely: for each class the voxels that hold any of it.

    Shares of a voxel add up to at most 1; what is missing is air.
    """

    shape: tuple[int, int, int]
    parts: dict[str, tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]] = field(default_factory=dict)

    def add(self, tissue: str, share: Float[np.ndarray, "x y z"]) -> None:
        """Keep the voxels of a dense map ``[x, y, z]`` that hold a share worth keeping."""
        index = np.flatnonzero(share > _LEAST_SHARE).astype(np.int32)
        self.parts[tissue] = index, share.ravel()[index].astype(np.float32)

    def dense(self, *tissues: str) -> Float[np.ndarray, "x y z"]:
        """Summed share of the named tissues as a dense map; absent tissues count 0."""
        total = np.zeros(int(np.prod(self.shape)), np.float32)
        for tissue in tissues:
            if tissue in self.parts:
                index, share = self.parts[tissue]
                total[index] += share
        return total.reshape(self.shape)

    def scale(self, factor: Float[np.ndarray, "x y z"], tissues: tuple[str, ...]) -> None:
        """Multiply the named tissues by a dense map, making room for another one."""
        flat = factor.ravel()
        for tissue in tissues:
            if tissue in self.parts:
                index, share = self.parts[tissue]
                self.parts[tissue] = index, share * flat[index]

    def __iter__(self) -> Iterator[tuple[str, Int[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
        """Tissue name, flat voxel indices, shares."""
        return ((name, *part) for name, part in self.parts.items())


@dataclass(frozen=True)
class Head:
    """A person before any tumour.

    Attributes:
        grid: Voxel grid of all maps.
        shares: Tissue shares.
        brain: Soft brain mask [0, 1] (with CSF inside and around), ``[x, y, z]``.
        depth: Depth under the brain surface in mm, negative outside.
        iron: Iron content of deep grey matter, 0 to about 1; shortens T2.
        myelin: Smooth myelination of white matter around 0; shortens T1 where positive.
    """

    grid: HeadGrid
    shares: TissueShares
    brain: np.ndarray
    depth: np.ndarray
    iron: np.ndarray
    myelin: np.ndarray


def _band(distance: np.ndarray, low: float | np.ndarray, high: float | np.ndarray, spacing: float) -> np.ndarray:
    """Share of a voxel of this size that lies between two distances (mm) from a surface."""
    rise = np.clip((distance - low) / spacing + 0.5, 0, 1)
    return rise - np.clip((distance - high) / spacing + 0.5, 0, 1)


_IRON_RICH = (  # centre (|x|, y, z) and radii in mm in MNI space, iron relative to the pallidum
    ((19, -4, -1), (6, 9, 6), 1.0),
    ((27, 3, 1), (6, 16, 10), 0.55),
    ((13, 14, 8), (6, 12, 10), 0.5),
    ((11, -19, 8), (9, 13, 8), 0.25),
    ((5, -20, -9), (4, 5, 4), 0.9),
    ((10, -18, -13), (6, 7, 4), 0.9),
    ((15, -57, -34), (8, 8, 6), 0.7),
)
"""Pallidum, putamen, caudate, thalamus, red nucleus, substantia nigra, dentate nucleus (Hallgren & Sourander 1958)."""


def _iron(mirrored: np.ndarray, shape: tuple[int, ...], grid: HeadGrid) -> np.ndarray:
    """Iron map from soft ellipsoids; ``mirrored`` holds atlas coordinates with |x|."""
    iron = np.zeros(shape, np.float32)
    inner = np.all((mirrored > np.reshape((-1, -70, -45), (3, 1, 1, 1))), axis=0)
    inner &= np.all((mirrored < np.reshape((36, 30, 22), (3, 1, 1, 1))), axis=0)
    points = mirrored[:, inner]
    values = np.zeros(points.shape[1], np.float32)
    for centre, radii, content in _IRON_RICH:
        values = np.maximum(values, content * np.clip(0.5 - ellipsoid(points, centre, radii) / 3.0, 0, 1))
    iron[inner] = values
    return iron


def _brain_tissues(
    generator: np.random.Generator, atlas: Atlas, grid: HeadGrid, points: np.ndarray, brain: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey, white and CSF shares: the average maps sharpened into one person's.

    The templates are averages of 152 people, in which sulci blur away. Sharpening the probabilities after adding
    random fields to their logarithms draws one brain from them: where the average is sure nothing changes, where it
    is not, the fields decide. The folding field's zero sheets become sulci and its extremes white-matter blades.
    """
    axes = grid.axes
    inside = brain > 0.02
    grey, white = (
        np.clip(sample(share, points[:, inside], atlas.first_mm, 1.0, outside=0.0), 0, 1)
        for share in (atlas.grey, atlas.white)
    )
    csf = np.clip(1.0 - grey - white, 0, 1)
    folds = random_field(generator, axes, 7.0)[inside]
    detail = random_field(generator, axes, 4.5)[inside]
    atrophy = generator.uniform(-0.3, 0.7)
    sheets = np.exp(-((folds / 0.3) ** 2))
    log_csf = np.log(csf + 0.01) + atrophy * 0.5 + 1.5 * sheets - 0.5 + 0.2 * detail
    log_white = np.log(white + 0.01) + 0.55 * (np.abs(folds) - 0.8) - 0.2 * detail
    log_grey = np.log(grey + 0.01)
    logits = np.stack([log_grey, log_white, log_csf]) * np.float32(2.2)
    logits -= logits.max(0)
    np.exp(logits, out=logits)
    logits *= brain[inside] / logits.sum(0)
    result = np.zeros((3, *grid.shape), np.float32)
    result[:, inside] = logits
    return result[0], result[1], result[2]


def build_head(
    generator: np.random.Generator, atlas: Atlas, grid: HeadGrid, points: Float[np.ndarray, "3 x y z"]
) -> Head:
    """Assemble one person's head.

    Args:
        generator: Source of the person's own features (folding, skull thickness, vessels).
        atlas: The average head.
        grid: Voxel grid of the result.
        points: Atlas coordinates (mm) of every voxel: the person's deformation.

    Returns:
        Tissue shares and the maps that modulate them.
    """
    step = grid.spacing_mm
    axes = grid.axes
    brain = sample(atlas.brain, points, atlas.first_mm, 1.0, outside=0.0)
    brain_distance = sample(atlas.brain_distance, points, atlas.coarse_first_mm, atlas.coarse_mm)
    head_depth = sample(atlas.head_distance, points, atlas.coarse_first_mm, atlas.coarse_mm)
    brain = np.clip((brain - 0.5) * 1.6 + 0.5, 0, 1) * (brain_distance < 4)
    grey, white, csf = _brain_tissues(generator, atlas, grid, points, brain)

    # Shells around the brain, in mm from the inner skull; thickness varies smoothly over the head.
    shares = TissueShares(grid.shape)
    free = np.clip(head_depth / step + 0.5, 0, 1) * (1.0 - brain)
    thick = 1.0 + 0.18 * random_field(generator, axes, 45.0)
    z = points[2]
    vault = np.clip((z + 52.0) / 6.0, 0, 1)  # the bony shell ends at the skull base; below it is the neck
    inner = 2.0 + 0.7 * random_field(generator, axes, 30.0)
    inner = np.clip(inner, 0.5, 4.0)
    table, diploe = 1.8 * thick, 3.6 * thick
    distance = np.maximum(brain_distance, 0.0)
    csf += free * np.clip(0.5 - (distance - inner) / step, 0, 1)
    dura = free * _band(distance, inner, inner + 1.2, step)
    bone_start = inner + 1.2
    bone_end = bone_start + 2 * table + diploe
    bone = free * _band(distance, bone_start, bone_end, step)
    marrow = free * _band(distance, bone_start + table, bone_start + table + diploe, step) * vault
    marrow *= np.clip(0.75 + 0.3 * random_field(generator, axes, 8.0), 0, 1)
    bone *= np.maximum(vault, np.clip(1.0 - np.abs(head_depth - 30) / 40.0, 0, 1))
    bone -= marrow
    soft = free * np.clip((distance - bone_start) / step + 0.5, 0, 1) - bone - marrow
    _face_and_scalp(generator, shares, grid, points, soft, head_depth)
    shares.add("bone", bone)
    shares.add("marrow", marrow)
    shares.add("dura", dura)
    del bone, marrow, soft, free

    mirrored = points.copy()
    np.abs(mirrored[0], out=mirrored[0])
    plexus = np.clip(0.5 - ellipsoid(mirrored, (24, -40, 10), (4, 8, 5)) / step, 0, 1) * csf
    plexus *= np.clip(0.7 + 0.4 * random_field(generator, axes, 4.0), 0, 1)
    blood = _vessels(generator, atlas, grid, points, csf, white, brain_distance)
    # The falx: a sheet of dura in the midline's CSF.
    falx = np.clip(0.5 - (np.abs(points[0]) - 0.6) / step, 0, 1) * csf * (brain_distance < 0)
    falx *= np.clip((z - 20.0) / 10.0, 0, 1) * np.clip(-brain_distance < 38, 0, 1) * 0.7
    for name, share in (("choroid", plexus), ("blood", blood), ("dura", falx)):
        share = np.minimum(share, 1.0)
        for host in (grey, white, csf):
            host *= 1.0 - share
        shares.scale(1.0 - share, ("bone", "marrow", "dura"))
        shares.add(name, share + shares.dense(name))
    iron = _iron(mirrored, grid.shape, grid)

    # Periventricular caps: white matter next to the horns holds more water, the more the older the person.
    ventricles = sample(atlas.ventricles, points, atlas.coarse_first_mm, atlas.coarse_mm)
    near = np.clip(ndimage.gaussian_filter(ventricles, 3.5 / step) * 2.5, 0, 1)
    horns = np.clip((np.abs(points[1] + 12.0) - 18.0) / 15.0, 0.15, 1)
    caps = white * near * horns * np.clip(generator.normal(0.45, 0.2), 0.1, 0.9)
    white -= caps
    shares.add("cap", caps)

    shares.add("grey", grey)
    shares.add("white", white)
    shares.add("csf", csf)
    myelin = np.clip(-brain_distance / 35.0, 0, 1) - 0.5 - 0.25 * np.clip((points[1] - 20) / 45.0, -1, 1)
    return Head(grid, shares, brain, -brain_distance, iron, myelin.astype(np.float32))


def _vessels(
    generator: np.random.Generator,
    atlas: Atlas,
    grid: HeadGrid,
    points: np.ndarray,
    csf: np.ndarray,
    white: np.ndarray,
    brain_distance: np.ndarray,
) -> np.ndarray:
    """Share of blood: the superior sagittal sinus, and a random tree of vessels in the sulci.

    Where two independent random fields are both near 0 they trace thin random curves through space, which look like
    vessels on every slice.
    """
    step = grid.spacing_mm
    blood = np.zeros(grid.shape, np.float32)
    near = (np.abs(points[0]) < 8 + step) & (np.abs(brain_distance) < 10 + step)
    away, _ = cKDTree(atlas.sinus_top).query(points[:, near].T)
    blood[near] = np.clip(0.5 - (away - 3.6) / step, 0, 1)
    first, second = (random_field(generator, grid.axes, 11.0) for _ in range(2))
    # A field with 11 mm control spacing changes by about its standard deviation in 11 mm.
    radius = np.sqrt(first**2 + second**2) * 11.0
    tree = np.clip(0.5 - (radius - 1.1) / max(step, 1.5), 0, 1) * min(1.5 / step, 1.0)
    return np.maximum(blood, tree * np.clip(2.2 * csf + 0.08 * white, 0, 1) * (brain_distance < 3))


def _face_and_scalp(
    generator: np.random.Generator,
    shares: TissueShares,
    grid: HeadGrid,
    points: np.ndarray,
    soft: np.ndarray,
    head_depth: np.ndarray,
) -> None:
    """Fill what is neither brain nor skull: skin, fat, muscle, eyes and the air of nose and throat."""
    step = grid.spacing_mm
    x, y, z = points
    mirrored = np.stack([np.abs(x), y, z])

    def inside(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
        return np.clip(0.5 - ellipsoid(mirrored, centre, radii) / step, 0, 1)

    air = inside((0, 62, -48), (9, 26, 22))  # nasal cavity
    for centre, radii in (
        ((27, 52, -48), (12, 14, 15)),  # maxillary sinus
        ((0, 14, -80), (10, 9, 34)),  # pharynx
        ((8, 76, -12), (9, 6, 9)),  # frontal sinus
        ((0, -2, -128), (8, 8, 40)),  # trachea
        ((48, -30, -42), (8, 10, 9)),  # mastoid cells
    ):
        air = np.maximum(air, inside(centre, radii))
    texture = random_field(generator, grid.axes, 6.0)
    air *= np.clip(1.1 + 0.5 * texture, 0, 1)
    eyes = inside((33, 66, -36), (12, 12, 12))
    orbit = np.maximum(inside((32, 54, -36), (17, 24, 17)) - eyes, 0)
    soft = soft * (1.0 - np.where(head_depth > 2, air, 0))
    eyes, orbit = eyes * soft, orbit * soft
    rest = soft - eyes - orbit
    skin = rest * np.clip(0.5 - (head_depth - 1.8) / step, 0, 1)
    layer = 5.5 + 1.2 * random_field(generator, grid.axes, 35.0)
    fat_layer = rest * np.clip(0.5 - (head_depth - layer) / step, 0, 1) - skin
    fat_layer = np.clip(fat_layer, 0, None)
    deep = rest - skin - fat_layer
    planes = np.clip(0.35 + 0.8 * (texture - 0.3), 0.05, 0.9)  # fat between muscles
    spine = np.clip(0.5 - (np.hypot(x, y + 38.0) - 17.0) / 6.0, 0, 1) * (z < -60)
    cord = np.clip(0.5 - (np.hypot(x, y + 42.0) - 4.5) / step, 0, 1) * (z < -55)
    canal = np.clip(0.5 - (np.hypot(x, y + 42.0) - 8.5) / step, 0, 1) * (z < -55) - cord
    inner_share = np.clip(cord + canal, 0, 1)
    shares.add("cord", deep * cord)
    shares.add("canal", deep * np.clip(canal, 0, 1))
    deep = deep * (1.0 - inner_share)
    shares.add("vertebra", deep * spine)
    deep = deep * (1.0 - spine)
    shares.add("fat", fat_layer + orbit + deep * planes)
    shares.add("muscle", skin + deep * (1.0 - planes))
    shares.add("vitreous", eyes)
