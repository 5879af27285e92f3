"""Tissue as ultrasound meets it: how much it scatters, where it reflects, how much it swallows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from mrisynth_pipeline.cohorts.phantom.anatomy import Head
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field


@dataclass(frozen=True)
class Acoustics:
    """One tissue class.

    Attributes:
        backscatter_db: Mean intensity of its speckle relative to white matter.
        impedance: Acoustic impedance in MRayl; its steps are the reflecting interfaces.
        attenuation: Attenuation in dB/(cm MHz), one way.
    """

    backscatter_db: float
    impedance: float
    attenuation: float


_SOFT = Acoustics(2.0, 1.63, 0.7)
_BONE = Acoustics(10.0, 2.2, 10.0)

ACOUSTICS: dict[str, Acoustics] = {
    "grey": Acoustics(-3.0, 1.58, 0.5),
    "white": Acoustics(0.0, 1.60, 0.6),
    "cap": Acoustics(0.0, 1.59, 0.6),
    "csf": Acoustics(-32.0, 1.51, 0.0),
    "oedema": Acoustics(3.5, 1.59, 0.55),
    "tumour": Acoustics(11.0, 1.63, 0.7),
    "enhancing": Acoustics(13.0, 1.64, 0.7),
    "necrosis": Acoustics(-6.0, 1.56, 0.3),
    "blood": Acoustics(-16.0, 1.66, 0.2),
    "dura": Acoustics(14.0, 1.75, 1.2),
    "choroid": Acoustics(12.0, 1.63, 0.7),
    "bone": _BONE,
    "marrow": _BONE,
    "vertebra": _BONE,
    "fat": Acoustics(4.0, 1.38, 0.6),
    "muscle": _SOFT,
    "cord": _SOFT,
    "canal": Acoustics(-32.0, 1.51, 0.0),
    "vitreous": Acoustics(-32.0, 1.51, 0.0),
}
"""Impedance and attenuation after textbook values (Duck 1990), rounded. The backscatter is ours, set by eye to what
intra-operative images of glioma show: tumour, falx, choroid plexus and the walls of sulci bright, oedema a little
brighter than white matter, cortex a little darker, ventricles and cysts black. Bone's impedance is held down: its real
one would outshine everything by 40 dB, which no screen shows."""

SALINE = Acoustics(-40.0, 1.51, 0.0)
"""What fills the craniotomy and couples the probe."""

_SULCAL_DB = 13.0
"""A sulcus is not the black of its fluid but arachnoid, vessels and two reflecting banks, within a voxel or two."""
_WIDE_MM = 2.5  # fluid that fills a ball of about this radius is a ventricle or a cistern
_UNEVEN_DB = 2.0  # standard deviation of the echogenicity within a tissue, over centimetres


@dataclass(frozen=True)
class AcousticMaps:
    """A head on its own grid, ``[x, y, z]``, float32.

    Attributes:
        amplitude: Mean speckle amplitude relative to white matter's.
        impedance: MRayl; that of saline in air.
        attenuation: dB/(cm MHz).
        cover: Share of what a craniotomy takes away: bone, scalp, and the air above.
    """

    amplitude: np.ndarray
    impedance: np.ndarray
    attenuation: np.ndarray
    cover: np.ndarray


_INSIDE = ("grey", "white", "cap", "csf", "oedema", "tumour", "enhancing", "necrosis", "blood", "dura", "choroid")


def acoustic_maps(generator: np.random.Generator, head: Head) -> AcousticMaps:
    """What ultrasound meets in a head: intensities add by tissue share, as do impedance and attenuation.

    Args:
        generator: Source of the unevenness within tissues.
        head: The person.

    Returns:
        The maps.
    """
    shares = head.shares
    csf = shares.dense("csf")
    wide = ndimage.gaussian_filter(csf, _WIDE_MM / head.grid.spacing_mm)
    wide = np.clip((wide - 0.35) / 0.3, 0, 1).ravel()
    total = np.zeros(int(np.prod(head.grid.shape)), np.float32)
    intensity, impedance, attenuation = (np.zeros_like(total) for _ in range(3))
    for name, index, share in shares:
        tissue = ACOUSTICS[name]
        scatter = np.float32(10 ** (tissue.backscatter_db / 10))
        if name == "csf":
            scatter = scatter * wide[index] + np.float32(10 ** (_SULCAL_DB / 10)) * (1.0 - wide[index])
        total[index] += share
        intensity[index] += share * scatter
        impedance[index] += share * np.float32(tissue.impedance)
        attenuation[index] += share * np.float32(tissue.attenuation)
    rest = np.clip(1.0 - total, 0, 1)
    impedance += rest * np.float32(SALINE.impedance)
    shape = head.grid.shape
    uneven = np.float32(_UNEVEN_DB) * random_field(generator, head.grid.axes, 6.0)
    amplitude = np.sqrt(intensity).reshape(shape) * 10 ** (uneven / 20)
    cover = np.clip(1.0 - shares.dense(*_INSIDE), 0, 1)
    return AcousticMaps(amplitude.astype(np.float32), impedance.reshape(shape), attenuation.reshape(shape), cover)


def tumour_centre(head: Head) -> Float[np.ndarray, "3"]:
    """Centre of mass of a tumour's core in the anatomy's world, mm."""
    core = head.shares.dense("necrosis", "tumour", "enhancing")
    index = ndimage.center_of_mass(core)
    return head.grid.affine[:3, :3] @ index + head.grid.affine[:3, 3]
