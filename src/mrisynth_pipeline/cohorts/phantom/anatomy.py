"""One person's head: brain, its coverings and its vessels, as tissue shares in every voxel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mrisynth_pipeline.cohorts.phantom.atlas import Atlas
from mrisynth_pipeline.cohorts.phantom.brain import brain_tissues, choroid_plexus, iron_content, periventricular_caps
from mrisynth_pipeline.cohorts.phantom.extracranial import bony_shells, face_and_scalp
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid
from mrisynth_pipeline.cohorts.phantom.shares import TissueShares
from mrisynth_pipeline.cohorts.phantom.vessels import falx, vessels
from mrisynth_pipeline.cohorts.phantom.voxels import occupied_voxels


@dataclass(frozen=True)
class Head:
    """A person, before or after a tumour has grown; maps are ``[x, y, z]`` on the grid.

    Attributes:
        grid: Voxel grid of all maps.
        shares: Tissue shares.
        brain: Share inside the brain mask [0, 1], CSF included.
        depth: Depth under the brain surface in mm, negative outside.
        iron: Iron content of deep grey matter, 0 to 1; shortens T2.
        myelin: Myelination of white matter around 0, about -1 to 1; shortens T1 where positive.
    """

    grid: HeadGrid
    shares: TissueShares
    brain: np.ndarray
    depth: np.ndarray
    iron: np.ndarray
    myelin: np.ndarray


def build_head(
    generator: np.random.Generator, atlas: Atlas, grid: HeadGrid, displacement: Float[np.ndarray, "3 x y z"]
) -> Head:
    """Assemble one person's head.

    Args:
        generator: Source of the person's own features (folding, skull thickness, vessels).
        atlas: The average head.
        grid: Voxel grid of the result.
        displacement: The person's pull-back displacement (mm) on the coarse grid.

    Returns:
        Tissue shares and the maps that modulate them.
    """
    voxels = occupied_voxels(generator, atlas, grid, displacement)
    tissues = brain_tissues(voxels, atlas)
    coverings = bony_shells(voxels)
    coverings |= face_and_scalp(voxels, soft=coverings.pop("soft"))
    tissues["csf"] += coverings.pop("csf")
    # What is drawn later takes its room from what is there.
    dura = coverings["dura"]
    for name, share in (
        ("choroid", choroid_plexus(voxels, tissues["csf"])),
        ("blood", vessels(voxels, atlas, tissues["grey"], tissues["csf"])),
        ("dura", falx(voxels, tissues["csf"])),
    ):
        for host in (*tissues.values(), *coverings.values()):
            host *= 1.0 - share
        coverings[name] = share + dura if name == "dura" else share
    tissues |= periventricular_caps(voxels, tissues["white"])

    shares = TissueShares(grid.shape)
    for name, share in (tissues | coverings).items():
        shares.put(name, voxels.index, share)
    anterior = np.clip((voxels.points[1] - 20.0) / 45.0, -1, 1)
    myelin = np.clip(-voxels.brain_distance / 35.0, 0, 1) - 0.5 - 0.25 * anterior
    return Head(
        grid=grid,
        shares=shares,
        brain=voxels.dense(voxels.brain),
        depth=voxels.dense(-voxels.brain_distance, elsewhere=-100.0),
        iron=voxels.dense(iron_content(voxels.points)),
        myelin=voxels.dense(myelin),
    )
