"""One subject from seed to scans."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.acquisition import (
    ScanGrid,
    add_rician_noise,
    archive_grid,
    archive_position,
    coil_bias,
    random_motion,
    resample,
    ring,
    scanner_grid,
)
from mrisynth_pipeline.cohorts.phantom.anatomy import Head, build_head
from mrisynth_pipeline.cohorts.phantom.atlas import load_atlas
from mrisynth_pipeline.cohorts.phantom.deformation import (
    coarse_grid,
    compose,
    individual_displacement,
    mass_effect,
)
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid, sample
from mrisynth_pipeline.cohorts.phantom.pathology import grow_glioma, plan_glioma
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field
from mrisynth_pipeline.cohorts.phantom.roster import Enrolment
from mrisynth_pipeline.cohorts.phantom.sequences import DUAL_ECHO, PROTOCOLS, Protocol, Scan
from mrisynth_pipeline.cohorts.phantom.signal import jittered, shortened_t1_ms
from mrisynth_pipeline.cohorts.phantom.tissue import Tissue, individual_tissues

_TIMING_JITTER = 0.02
_TEXTURE = {"t1": 0.012, "t2": 0.018, "density": 0.008}
"""Standard deviation of the local variation of T1, T2 and proton density within brain tissue. They vary independently
of each other, so that no contrast is a function of the others; small, so that it is nearly one."""


@dataclass(frozen=True)
class SimulatedScan:
    """A scan before it becomes a file: values ``[i, j, k]`` (arbitrary units, >= 0), float32, and its grid."""

    values: np.ndarray
    grid: ScanGrid


@dataclass(frozen=True)
class SimulatedSubject:
    """Everything known about one subject.

    Attributes:
        scans: Contrast → scan; contrasts that were left out are missing.
        transforms: Contrast → rigid motion, 4x4, anatomy world → scan world (RAS, mm); all contrasts.
        reference: The contrast on whose grid truth is drawn.
        reference_grid: Its grid.
        segmentation: Tumour labels 0-3 on the reference grid; ``None`` for volunteers.
        tissues: ``grey``, ``white``, ``csf`` share and ``brain`` mask on the reference grid.
    """

    scans: dict[str, SimulatedScan]
    transforms: dict[str, np.ndarray]
    reference: str
    reference_grid: ScanGrid
    segmentation: np.ndarray | None
    tissues: dict[str, np.ndarray]


def _generator(parameters: PhantomParameters, number: int, stage: int) -> np.random.Generator:
    """Independent random numbers for one stage of one subject (or patient)."""
    return np.random.default_rng([parameters.seed, number, stage])


def build_patient(parameters: PhantomParameters, enrolment: Enrolment) -> Head:
    """The anatomy a scanner would find: the person, with the tumour as far as it has grown."""
    grid = HeadGrid(parameters.spacing_mm)
    atlas = load_atlas(parameters.spacing_mm)
    patient = enrolment.patient_number
    displacement = individual_displacement(_generator(parameters, patient, 0), atlas)
    plan = None
    if parameters.layout == "brats":
        plan = plan_glioma(_generator(parameters, patient, 1), atlas, displacement, patient, enrolment.session)
        points = coarse_grid().mesh() + displacement
        depth = -sample(atlas.brain_distance, points, atlas.coarse_first_mm, atlas.coarse_mm)
        pushed = mass_effect(plan.centre_mm, plan.core_radius_mm, plan.push_mm, depth)
        displacement = compose(displacement, pushed)
    head = build_head(_generator(parameters, patient, 2), atlas, grid, displacement)
    if plan is not None:
        grow_glioma(_generator(parameters, patient, 3), head, plan)
    return head


def _textures(generator: np.random.Generator, grid: HeadGrid) -> dict[str, np.ndarray]:
    """Independent local variation of T1, T2 and proton density, in parts of 1 around 0, ``[x, y, z]``."""
    return {
        name: np.float32(share)
        * (0.75 * random_field(generator, grid.axes, 9.0) + 0.66 * random_field(generator, grid.axes, 20.0))
        for name, share in _TEXTURE.items()
    }


def _signal(
    scan: Scan,
    head: Head,
    tissues: dict[str, Tissue],
    textures: dict[str, np.ndarray],
    field_strength: float,
) -> Float[np.ndarray, "x y z"]:
    """Noise-free signal on the head's grid: the tissues' signals, each weighted by its share of the voxel."""
    total = np.zeros(int(np.prod(head.grid.shape)), np.float32)
    flat = {name: texture.ravel() for name, texture in textures.items()}
    iron, myelin = head.iron.ravel(), head.myelin.ravel()
    for name, index, share in head.shares:
        tissue = tissues[name]
        local = {key: 1.0 + np.float32(tissue.texture) * texture[index] for key, texture in flat.items()}
        t1 = tissue.t1_ms * local["t1"] * (field_strength if name not in ("csf", "canal") else 1.0)
        t2 = tissue.t2_ms * local["t2"]
        if name in ("grey", "white"):
            t2 *= 1.0 - 0.38 * iron[index]
            t1 *= 1.0 - 0.10 * iron[index]
        if name == "white":
            t1 *= 1.0 - 0.07 * myelin[index]
        if scan.contrast_agent and tissue.gadolinium_mm > 0:
            t1 = shortened_t1_ms(t1, tissue.gadolinium_mm)
        total[index] += share * scan.sequence.signal(tissue.density * local["density"], t1, t2)
    return total.reshape(head.grid.shape)


def _scan_grid(scan: Scan, spacing_mm: float, tilt_deg: float) -> ScanGrid:
    """The grid a scan is stored on at this cohort's voxel size."""
    in_plane = scan.in_plane * spacing_mm
    voxel = (in_plane, in_plane, max(scan.slice_mm, in_plane))
    return scanner_grid(scan.orientation, voxel, (*scan.field_of_view_mm, scan.slab_mm), tilt_deg)


def _motions(
    generator: np.random.Generator, parameters: PhantomParameters, protocol: Protocol
) -> dict[str, np.ndarray]:
    """Anatomy world → scan world of every contrast: identity for the reference and what shares its acquisition."""
    still = DUAL_ECHO if protocol.reference in DUAL_ECHO else (protocol.reference,)
    motions = {}
    for modality in protocol.scans:
        motion = random_motion(generator, parameters.max_translation_mm, parameters.max_rotation_deg)
        motions[modality] = np.eye(4) if modality in still else motion
    return motions


def kept_modalities(parameters: PhantomParameters, enrolment: Enrolment, modalities: list[str]) -> list[str]:
    """The contrasts that are not left out: each stays with probability 1 - drop_fraction, one always does."""
    draws = _generator(parameters, enrolment.number, 9).random(len(modalities))
    kept = [m for m, draw in zip(modalities, draws, strict=True) if draw >= parameters.drop_fraction]
    return kept or [modalities[int(np.argmax(draws))]]


def simulate_subject(parameters: PhantomParameters, registered: bool, enrolment: Enrolment) -> SimulatedSubject:
    """Scan one subject.

    Args:
        parameters: The cohort.
        registered: Whether all contrasts come on the archive's grid, aligned and without skull.
        enrolment: Who is scanned, where, and for the how manieth time.

    Returns:
        Scans and truth.
    """
    head = build_patient(parameters, enrolment)
    protocol = PROTOCOLS[parameters.layout][enrolment.site]
    tissues = individual_tissues(_generator(parameters, enrolment.patient_number, 4))
    textures = _textures(_generator(parameters, enrolment.patient_number, 5), head.grid)
    generator = _generator(parameters, enrolment.number, 6)
    motions = _motions(generator, parameters, protocol)
    tilts = {m: generator.uniform(-1, 1) * scan.tilt_deg for m, scan in protocol.scans.items()}
    if protocol.reference == "t2":
        tilts["pd"] = tilts["t2"]
    if registered:
        position = archive_position(head.brain, head.grid)
        motions = dict.fromkeys(protocol.scans, position)
        grids = dict.fromkeys(protocol.scans, archive_grid(parameters.spacing_mm))
    else:
        grids = {m: _scan_grid(s, parameters.spacing_mm, tilts[m]) for m, s in protocol.scans.items()}

    reference = protocol.reference
    truth = _draw_truth(head, grids[reference], motions[reference])
    coil = coil_bias(generator, head.grid, parameters.bias)
    kept = kept_modalities(parameters, enrolment, list(protocol.scans))
    scans = {}
    for position_in_protocol, (modality, scan) in enumerate(protocol.scans.items()):
        own = _generator(parameters, enrolment.number, 10 + position_in_protocol)
        if modality not in kept:
            continue
        scan = _individual_scan(scan, own)
        signal = _signal(scan, head, tissues, textures, protocol.field)
        level = float(np.median(signal.ravel()[_white_voxels(head)]))
        signal *= coil * coil_bias(own, head.grid, 0.15 * parameters.bias)
        image = resample(signal, head.grid, grids[modality], motions[modality])
        image = ring(image)
        sigma = parameters.noise * protocol.noise * level * own.uniform(0.8, 1.2)
        image = add_rician_noise(own, image, sigma)
        if registered:
            image *= truth["brain"]
        scans[modality] = SimulatedScan(image * np.float32(own.uniform(350, 900) / level), grids[modality])
    segmentation = truth.pop("segmentation")
    return SimulatedSubject(
        scans=scans,
        transforms=motions,
        reference=reference,
        reference_grid=grids[reference],
        segmentation=segmentation if parameters.layout == "brats" else None,
        tissues=truth,
    )


def _individual_scan(scan: Scan, generator: np.random.Generator) -> Scan:
    """The scan with its timings as they were that day."""
    sequence = jittered(scan.sequence, generator, _TIMING_JITTER)
    return Scan(**{**vars(scan), "sequence": sequence})


def _white_voxels(head: Head) -> np.ndarray:
    """Flat indices of voxels that are nearly pure white matter, whose signal sets the noise level."""
    index, share = head.shares.parts["white"]
    return index[share > 0.9]


def _draw_truth(
    head: Head, grid: ScanGrid, motion: Float[np.ndarray, "4 4"]
) -> dict[str, UInt8[np.ndarray, "i j k"] | Float[np.ndarray, "i j k"]]:
    """Tissue shares, brain mask and tumour labels on a scan's grid."""
    truth = {}
    for name, members in {"grey": ("grey",), "white": ("white", "cap"), "csf": ("csf",)}.items():
        share = resample(head.shares.dense(*members) * (head.brain > 0.5), head.grid, grid, motion)
        truth[name] = np.clip(share, 0, 1)
    brain = resample(head.brain, head.grid, grid, motion) > 0.5
    truth["brain"] = brain.astype(np.uint8)
    compartments = [
        resample(head.shares.dense(*names), head.grid, grid, motion)
        for names in (("necrosis", "tumour"), ("oedema",), ("enhancing",))
    ]
    healthy = 1.0 - sum(compartments)
    labels = np.argmax(np.stack([healthy, *compartments]), axis=0).astype(np.uint8)
    truth["segmentation"] = labels * truth["brain"]
    return truth
