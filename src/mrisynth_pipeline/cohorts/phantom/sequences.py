"""What the scanner is asked to do: pulse sequences and the geometry of each contrast, by archive and site."""

from dataclasses import dataclass
from typing import Literal

from mrisynth_pipeline.cohorts.phantom.signal import (
    InversionRecovery,
    Sequence,
    SpinEcho,
    SpoiledGradientEcho,
    null_inversion_ms,
)
from mrisynth_pipeline.cohorts.phantom.tissue import TISSUES


@dataclass(frozen=True)
class Scan:
    """One contrast of a protocol.

    Attributes:
        sequence: Pulse sequence before the subject's own jitter.
        orientation: Axis codes of the stored array, slices along the last axis.
        in_plane: In-plane voxel size relative to the anatomy's.
        slice_mm: Slice thickness at 1 mm in-plane resolution; never below the in-plane voxel size.
        field_of_view_mm: In-plane field of view, first and second axis.
        slab_mm: Extent along the slice axis.
        tilt_deg: Largest tilt of the slice plane from the scanner's axes.
        contrast_agent: Whether gadolinium was given before.
        noise: Noise relative to the site's, both measured against white matter.
    """

    sequence: Sequence
    orientation: str
    in_plane: float
    slice_mm: float
    field_of_view_mm: tuple[float, float]
    slab_mm: float
    tilt_deg: float = 0.0
    contrast_agent: bool = False
    noise: float = 1.0


@dataclass(frozen=True)
class Protocol:
    """How one site scans.

    Attributes:
        scans: Contrast → scan, in channel order.
        reference: The contrast whose head position defines the anatomy's world.
        noise: Noise relative to the cohort's.
        field: Factor on tissue T1: below 1 at 1.5 T.
    """

    scans: dict[str, Scan]
    reference: str
    noise: float = 1.0
    field: float = 1.0


def _flair(repetition_ms: float, echo_ms: float) -> InversionRecovery:
    """Inversion recovery whose inversion time nulls CSF."""
    return InversionRecovery(repetition_ms, null_inversion_ms(TISSUES["csf"].t1_ms, repetition_ms), echo_ms)


_GLIOMA = Protocol(
    scans={
        "t1": Scan(InversionRecovery(2000.0, 1000.0, 4.0), "PSR", 1.0, 1.0, (240.0, 240.0), 184.0),
        "t1c": Scan(SpoiledGradientEcho(11.0, 24.0, 4.0), "LPS", 1.0, 1.0, (232.0, 240.0), 180.0, contrast_agent=True),
        "t2": Scan(SpinEcho(4500.0, 95.0), "LPS", 1.0, 2.5, (224.0, 232.0), 180.0, tilt_deg=8.0),
        "flair": Scan(_flair(9000.0, 120.0), "LPS", 1.0, 3.0, (224.0, 232.0), 180.0, tilt_deg=8.0),
    },
    reference="t1c",
)

_RESECTION = Protocol(
    scans={
        "t2": Scan(SpinEcho(3200.0, 105.0), "PSR", 1.0, 1.0, (240.0, 240.0), 184.0),
        "t1c": Scan(SpoiledGradientEcho(11.0, 24.0, 4.0), "LPS", 1.0, 1.0, (232.0, 240.0), 180.0, contrast_agent=True),
        "flair": Scan(_flair(9000.0, 120.0), "PSR", 1.0, 1.2, (240.0, 240.0), 184.0),
    },
    reference="t2",
)


def _volunteer(t1: Sequence, t2: SpinEcho, noise: float, field: float) -> Protocol:
    """An IXI site: sagittal T1, and a dual-echo scan whose short echo is PD and whose long echo is T2."""
    axial = {"orientation": "LPS", "in_plane": 0.9375, "slice_mm": 1.25}
    extent = {"field_of_view_mm": (240.0, 240.0), "slab_mm": 162.5}
    density = SpinEcho(t2.repetition_ms, 8.0)
    return Protocol(
        scans={
            "t1": Scan(t1, "PSR", 0.9375, 1.2, (240.0, 240.0), 180.0),
            "t2": Scan(t2, **axial, **extent),
            "pd": Scan(density, **axial, **extent, noise=0.5),  # a short echo has more signal against the same noise
        },
        reference="t2",
        noise=noise,
        field=field,
    )


PROTOCOLS: dict[Literal["brats", "ixi", "remind"], dict[str, Protocol]] = {
    "brats": {"": _GLIOMA},
    "remind": {"": _RESECTION},
    "ixi": {
        "Guys": _volunteer(SpoiledGradientEcho(9.8, 18.0, 4.6), SpinEcho(8178.0, 100.0), noise=1.2, field=0.85),
        "HH": _volunteer(SpoiledGradientEcho(9.6, 17.0, 4.6), SpinEcho(5725.0, 100.0), noise=0.8, field=1.0),
        "IOP": _volunteer(SpoiledGradientEcho(10.5, 21.0, 4.2), SpinEcho(7000.0, 90.0), noise=1.4, field=0.85),
    },
}
"""Archive layout → site → protocol. The IXI sites are Guy's Hospital (Philips 1.5 T), Hammersmith Hospital (Philips
3 T) and the Institute of Psychiatry (GE 1.5 T); timings follow the archive's published ones, with a larger flip angle
where a preparation pulse, which the equation lacks, gave the T1 weighting."""

DUAL_ECHO = ("t2", "pd")
"""Contrasts of one acquisition: one grid, one head position, no motion between them."""
