"""A glioma: where it sits, how it grew, and what it does to the tissue around it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from mrisynth_pipeline.cohorts.phantom.anatomy import Head
from mrisynth_pipeline.cohorts.phantom.atlas import Atlas
from mrisynth_pipeline.cohorts.phantom.deformation import coarse_grid
from mrisynth_pipeline.cohorts.phantom.grid import sample
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field

_REACH_MM = 62.0
"""Half the side of the box around the tumour in which it is modelled."""


@dataclass(frozen=True)
class GliomaPlan:
    """What is decided about a tumour before it is grown.

    Attributes:
        centre_mm: Centre in the anatomy's world.
        core_ml: Volume of the core (necrosis and enhancing rim).
        oedema_ml: Volume of the oedema around it.
        enhancing: Whether its rim takes up contrast agent.
        rim_mm: Thickness of the rim.
        push_mm: Largest shift of the surrounding tissue.
    """

    centre_mm: np.ndarray
    core_ml: float
    oedema_ml: float
    enhancing: bool
    rim_mm: float
    push_mm: float

    @property
    def core_radius_mm(self) -> float:
        """Radius of the ball of the core's volume."""
        return float((3000.0 * self.core_ml / (4.0 * np.pi)) ** (1 / 3))


def plan_glioma(
    generator: np.random.Generator,
    atlas: Atlas,
    displacement: Float[np.ndarray, "3 x y z"],
    patient_number: int,
    session: int,
) -> GliomaPlan:
    """Draw a tumour: cerebral white matter, core 5-50 mL, enhancing in four of five patients.

    Args:
        generator: Source of randomness; the same for all sessions of a patient.
        atlas: The average head.
        displacement: The person's pull-back displacement on the coarse grid.
        patient_number: Position among the patients: every fifth tumour does not enhance. It is not drawn, so that a
            small cohort has its share too.
        session: 0 for the first scan; each later one finds the tumour grown by about a third.

    Returns:
        The plan.
    """
    grid = coarse_grid()
    points = grid.mesh() + displacement
    white = sample(ndimage.uniform_filter(atlas.white, 7), points, atlas.first_mm, 1.0, outside=0.0)
    depth = -sample(atlas.brain_distance, points, atlas.coarse_first_mm, atlas.coarse_mm)
    candidates = np.argwhere((white > 0.55) & (depth > 14) & (points[2] > -18) & (np.abs(points[0]) > 14))
    centre = np.array([axis[i] for axis, i in zip(grid.axes, generator.choice(candidates), strict=True)])
    core = float(np.clip(np.exp(generator.normal(np.log(16.0), 0.6)), 5.0, 42.0))
    oedema = core * 0.35 + float(np.clip(np.exp(generator.normal(np.log(26.0), 0.5)), 9.0, 52.0))
    enhancing = patient_number % 5 != 3
    rim, push = float(generator.uniform(3.0, 6.0)), float(generator.uniform(2.0, 6.5))
    growth = (1.0 + float(generator.uniform(0.2, 0.5))) ** session
    return GliomaPlan(centre, min(core * growth, 50.0), oedema * growth, enhancing, rim, push)


def _threshold(score: np.ndarray, volume_ml: float, spacing_mm: float) -> float:
    """Score below which a region has the wanted volume."""
    count = min(round(volume_ml * 1000.0 / spacing_mm**3), score.size - 1)
    return float(np.partition(score.ravel(), count)[count])


def grow_glioma(generator: np.random.Generator, head: Head, plan: GliomaPlan) -> None:
    """Replace healthy tissue of a head by the tumour, in place.

    The core is a ball with blended random bulges; its outer millimetres are the enhancing rim, the rest is necrosis.
    Oedema spreads outwards from the core, far along white matter, little into grey matter and never into CSF.

    Args:
        generator: Source of the shape; the same for all sessions of a patient.
        head: The person, already deformed by the mass effect.
        plan: What to grow.
    """
    grid, step = head.grid, head.grid.spacing_mm
    box = tuple(
        slice(*np.searchsorted(axis, (c - _REACH_MM, c + _REACH_MM)))
        for axis, c in zip(grid.axes, plan.centre_mm, strict=True)
    )
    axes = tuple(axis[cut] for axis, cut in zip(grid.axes, box, strict=True))
    white = head.shares.dense("white", "cap")[box]
    csf = head.shares.dense("csf", "dura", "choroid")[box]
    brain, depth = head.brain[box], head.depth[box]

    offset = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    offset -= plan.centre_mm.astype(np.float32).reshape(3, 1, 1, 1)
    shear = np.linalg.qr(generator.standard_normal((3, 3)))[0] * generator.uniform(0.8, 1.25, 3)
    offset = np.tensordot(shear.astype(np.float32), offset, axes=(1, 0))
    radius = np.sqrt((offset**2).sum(0))
    bulges = 0.22 * random_field(generator, axes, 13.0) + 0.1 * random_field(generator, axes, 6.0)
    outside = np.where(brain > 0.5, 0.0, 1e3) + np.clip(4.0 - depth, 0, 20)
    level = radius * (1.0 + np.clip(bulges, -0.38, 0.5)) + outside + 12.0 * np.clip(csf - 0.3, 0, 1)
    level -= _threshold(level, plan.core_ml, step)
    core = np.clip(0.5 - level / max(step, 1.5), 0, 1)

    depth_in_core = -level
    uneven = 1.0 + 0.3 * np.clip(random_field(generator, axes, 12.0), -1, 2)
    rim = np.maximum(plan.rim_mm * uneven, 3.0)
    necrosis = core * np.clip(0.5 + (depth_in_core - rim) / max(step, 1.5), 0, 1)
    enhancing = core - necrosis
    tumour = np.zeros_like(core)
    if not plan.enhancing:  # a low-grade tumour: solid, not necrotic, its blood-brain barrier intact
        tumour, necrosis, enhancing = core, tumour, tumour

    fingers = random_field(generator, axes, 11.0)
    cost = 0.8 + 2.2 * np.clip(1.0 - white - csf, 0, 1) + 4.0 * csf
    cost = ndimage.gaussian_filter(cost, 1.0)
    spread = np.clip(level, 0, None) * cost * np.exp(0.3 * fingers) + 2.0 * outside
    spread[core > 0.5] = -1.0
    edge = _threshold(spread, plan.core_ml + plan.oedema_ml, step)
    oedema = np.clip(0.5 - (spread - edge) / 5.0, 0, 1) * (1.0 - core)
    oedema *= np.clip(1.0 - 1.3 * csf, 0, 1) * (brain > 0.3)

    room = np.ones(grid.shape, np.float32)
    room[box] -= (core + oedema) * brain
    host = ("grey", "white", "csf", "blood", "choroid", "dura", "cap")
    head.shares.scale(np.clip(room, 0, 1), host)
    voxels = np.arange(np.prod(grid.shape), dtype=np.int32).reshape(grid.shape)[box].ravel()
    for name, part in (("necrosis", necrosis), ("tumour", tumour), ("oedema", oedema), ("enhancing", enhancing)):
        head.shares.put(name, voxels, (part * brain).ravel())
