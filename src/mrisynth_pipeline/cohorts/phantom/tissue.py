"""Tissue classes: proton density, relaxation times at 3 T, contrast uptake, and their variation between people."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tissue:
    """One tissue class.

    Attributes:
        density: Proton density relative to water, [0, 1].
        t1_ms: Longitudinal relaxation time at 3 T.
        t2_ms: Transverse relaxation time at 3 T.
        gadolinium_mm: Concentration of contrast agent after injection, in mmol/L.
        texture: How strongly the tissue follows the texture fields, relative to brain tissue.
    """

    density: float
    t1_ms: float
    t2_ms: float
    gadolinium_mm: float = 0.0
    texture: float = 1.0


TISSUES: dict[str, Tissue] = {
    "grey": Tissue(0.82, 1300.0, 100.0, gadolinium_mm=0.012),
    "white": Tissue(0.70, 850.0, 75.0, gadolinium_mm=0.006),
    "csf": Tissue(1.00, 4000.0, 1500.0, texture=0.3),
    "cap": Tissue(0.80, 1150.0, 120.0, gadolinium_mm=0.006),
    "oedema": Tissue(0.84, 1450.0, 150.0, gadolinium_mm=0.006, texture=1.5),
    "tumour": Tissue(0.87, 1750.0, 180.0, gadolinium_mm=0.015, texture=2.0),
    "necrosis": Tissue(0.93, 2700.0, 260.0, gadolinium_mm=0.012, texture=2.0),
    "enhancing": Tissue(0.84, 1550.0, 118.0, gadolinium_mm=0.22, texture=2.0),
    "blood": Tissue(0.65, 1650.0, 50.0, gadolinium_mm=0.45, texture=0.0),
    "dura": Tissue(0.55, 1000.0, 45.0, gadolinium_mm=0.3, texture=0.0),
    "choroid": Tissue(0.88, 1500.0, 160.0, gadolinium_mm=0.25),
    "bone": Tissue(0.05, 300.0, 10.0, texture=0.0),
    "marrow": Tissue(0.60, 450.0, 55.0, texture=0.5),
    "vertebra": Tissue(0.55, 550.0, 55.0, texture=1.0),
    "cord": Tissue(0.72, 950.0, 80.0, gadolinium_mm=0.006),
    "canal": Tissue(1.00, 4000.0, 1200.0, texture=0.0),
    "fat": Tissue(0.75, 350.0, 95.0, texture=0.5),
    "muscle": Tissue(0.75, 1300.0, 38.0, texture=1.0),
    "vitreous": Tissue(0.98, 3800.0, 900.0, texture=0.0),
}
"""Grey, white, CSF and fat after Stanisz et al. 2005 and Wansapura et al. 1999, rounded; tumour compartments
after quantitative glioma mapping (Blystad et al. 2017). Blood's density is low for its flow void;
fat's T2 is its apparent one in a turbo spin echo train, which keeps fat bright."""


def individual_tissues(generator: np.random.Generator, share: float = 0.03) -> dict[str, Tissue]:
    """The tissue table of one person: every T1 and T2 scaled by its own factor.

    Args:
        generator: Source of randomness.
        share: Standard deviation of the factors; proton density varies a third as much.

    Returns:
        Tissue classes by name, in the order of ``TISSUES``.
    """
    own = {}
    for name, tissue in TISSUES.items():
        t1, t2, density = 1.0 + share * np.clip(generator.standard_normal(3), -2, 2) * (1.0, 1.0, 1 / 3)
        if name in ("csf", "canal"):
            t1 = 1.0  # free water is the same in everyone; FLAIR nulls it
        own[name] = Tissue(
            min(tissue.density * density, 1.0),
            tissue.t1_ms * t1,
            tissue.t2_ms * t2,
            tissue.gadolinium_mm,
            tissue.texture,
        )
    return own
