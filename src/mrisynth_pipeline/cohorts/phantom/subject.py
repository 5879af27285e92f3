"""One subject from seed to scans."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mrisynth_pipeline.cohorts.modalities import ULTRASOUND
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.acoustics import tumour_centre
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
from mrisynth_pipeline.cohorts.phantom.atlas import Atlas, load_atlas
from mrisynth_pipeline.cohorts.phantom.deformation import (
    coarse_grid,
    compose,
    individual_displacement,
    mass_effect,
)
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid, sample
from mrisynth_pipeline.cohorts.phantom.pathology import GliomaPlan, grow_glioma, plan_glioma
from mrisynth_pipeline.cohorts.phantom.rendering import draw_textures, signal_map, white_matter_level
from mrisynth_pipeline.cohorts.phantom.roster import Enrolment
from mrisynth_pipeline.cohorts.phantom.sequences import DUAL_ECHO, PROTOCOLS, Protocol, Scan
from mrisynth_pipeline.cohorts.phantom.signal import jittered
from mrisynth_pipeline.cohorts.phantom.tissue import individual_tissues
from mrisynth_pipeline.cohorts.phantom.ultrasound import random_stretch, simulate_ultrasound

_TIMING_JITTER = 0.02
"""Largest relative deviation of a scan's timings from its protocol's."""

_OWN_BIAS = 0.15
"""A contrast's own part of the bias field (transmit field, prescan correction), relative to the coil's, which all
contrasts of a session share."""

_GLIOMA_LAYOUTS = ("brats", "remind")
"""Layouts whose subjects have a tumour (if any have) and a label map."""

_STAGES = (
    *("deformation", "plan", "features", "growth", "tissues", "textures", "session", "dropping", "scans"),
    "ultrasound",
)
"""What random numbers are drawn for; each stage has its own stream, so that a change in one moves no other."""


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
        transforms: Contrast → rigid motion (of ultrasound also a stretch), 4x4, anatomy world → scan world (RAS, mm);
            all contrasts.
        reference: The contrast on whose grid truth is drawn, even where its scan was left out.
        reference_grid: Its grid.
        segmentation: Tumour labels 0-3 on the reference grid, uint8, all 0 without lesions; ``None`` for volunteers.
        tissues: ``grey``, ``white``, ``csf`` share [0, 1], on the reference grid.
        brain: Brain mask on the reference grid, uint8.
    """

    scans: dict[str, SimulatedScan]
    transforms: dict[str, np.ndarray]
    reference: str
    reference_grid: ScanGrid
    segmentation: np.ndarray | None
    tissues: dict[str, np.ndarray]
    brain: np.ndarray


def _generator(parameters: PhantomParameters, number: int, stage: str, part: int = 0) -> np.random.Generator:
    """The random numbers of one stage of one subject (or patient)."""
    return np.random.default_rng([parameters.seed, number, _STAGES.index(stage), part])


def _person(parameters: PhantomParameters, enrolment: Enrolment, atlas: Atlas) -> Float[np.ndarray, "3 x y z"]:
    """Pull-back displacement (mm, coarse grid) of the person, before anything has grown."""
    return individual_displacement(_generator(parameters, enrolment.patient_number, "deformation"), atlas)


def _plan(
    parameters: PhantomParameters, enrolment: Enrolment, atlas: Atlas, displacement: Float[np.ndarray, "3 x y z"]
) -> GliomaPlan:
    """The tumour that this patient has, or would have with lesions."""
    patient = enrolment.patient_number
    return plan_glioma(_generator(parameters, patient, "plan"), atlas, displacement, patient, enrolment.session)


def build_patient(parameters: PhantomParameters, enrolment: Enrolment) -> Head:
    """The anatomy a scanner would find: the person, with the tumour as far as it has grown, if there is one.

    Args:
        parameters: The cohort.
        enrolment: Who, and at which visit.

    Returns:
        The head, in the anatomy's world.
    """
    grid = HeadGrid(parameters.spacing_mm)
    atlas = load_atlas(parameters.spacing_mm)
    patient = enrolment.patient_number
    displacement = _person(parameters, enrolment, atlas)
    plan = None
    if parameters.lesions and parameters.layout in _GLIOMA_LAYOUTS:
        plan = _plan(parameters, enrolment, atlas, displacement)
        points = coarse_grid().mesh() + displacement
        depth = -sample(atlas.brain_distance, points, atlas.coarse_first_mm, atlas.coarse_mm)
        pushed = mass_effect(plan.centre_mm, plan.core_radius_mm, plan.push_mm, depth)
        displacement = compose(displacement, pushed)
    head = build_head(_generator(parameters, patient, "features"), atlas, grid, displacement)
    if plan is not None:
        grow_glioma(_generator(parameters, patient, "growth"), head, plan)
    return head


def _would_be_centre(parameters: PhantomParameters, enrolment: Enrolment) -> Float[np.ndarray, "3"]:
    """Where a healthy person would have had the tumour (anatomy world, mm): the sweep is to show it as any other."""
    atlas = load_atlas(parameters.spacing_mm)
    return _plan(parameters, enrolment, atlas, _person(parameters, enrolment, atlas)).centre_mm


def _scan_grid(scan: Scan, spacing_mm: float, tilt_deg: float) -> ScanGrid:
    """The grid a scan is stored on at this cohort's voxel size."""
    in_plane = scan.in_plane * spacing_mm
    voxel = (in_plane, in_plane, max(scan.slice_mm, in_plane))
    return scanner_grid(scan.orientation, voxel, (*scan.field_of_view_mm, scan.slab_mm), tilt_deg)


def _positions(
    parameters: PhantomParameters, protocol: Protocol, enrolment: Enrolment
) -> tuple[dict[str, np.ndarray], dict[str, ScanGrid]]:
    """Where the head lies in every contrast (anatomy world → scan world), and each contrast's grid.

    The reference, and what shares its acquisition, has not moved: its world is the anatomy's.
    """
    generator = _generator(parameters, enrolment.number, "session")
    one_acquisition = DUAL_ECHO if protocol.reference in DUAL_ECHO else (protocol.reference,)
    motions, grids = {}, {}
    for modality, scan in protocol.scans.items():
        motion = random_motion(generator, parameters.max_translation_mm, parameters.max_rotation_deg)
        tilt = generator.uniform(-1, 1) * scan.tilt_deg
        if modality in one_acquisition:
            motion, tilt = np.eye(4), 0.0
        motions[modality] = motion
        grids[modality] = _scan_grid(scan, parameters.spacing_mm, tilt)
    return motions, grids


def kept_modalities(parameters: PhantomParameters, enrolment: Enrolment, modalities: list[str]) -> list[str]:
    """The MR contrasts that are not left out: each stays with probability 1 - drop_fraction, one always does."""
    draws = _generator(parameters, enrolment.number, "dropping").random(len(modalities))
    kept = [m for m, draw in zip(modalities, draws, strict=True) if draw >= parameters.drop_fraction]
    return kept or [modalities[int(np.argmax(draws))]]


def simulate_subject(parameters: PhantomParameters, registered: bool, enrolment: Enrolment) -> SimulatedSubject:
    """Scan one subject.

    Args:
        parameters: The cohort.
        registered: Whether all contrasts come on the archive's grid, aligned and without skull.
        enrolment: Who is scanned, where, and at which visit.

    Returns:
        Scans and truth.
    """
    head = build_patient(parameters, enrolment)
    protocol = PROTOCOLS[parameters.layout][enrolment.site]
    tissues = individual_tissues(_generator(parameters, enrolment.patient_number, "tissues"))
    textures = draw_textures(_generator(parameters, enrolment.patient_number, "textures"), head.grid)
    if registered:
        motions = dict.fromkeys(protocol.scans, archive_position(head.brain, head.grid))
        grids = dict.fromkeys(protocol.scans, archive_grid(parameters.spacing_mm))
    else:
        motions, grids = _positions(parameters, protocol, enrolment)
    grid, motion = grids[protocol.reference], motions[protocol.reference]
    brain = (resample(head.brain, head.grid, grid, motion) > 0.5).astype(np.uint8)

    coil = coil_bias(_generator(parameters, enrolment.number, "session", 1), head.grid, parameters.bias)
    kept = kept_modalities(parameters, enrolment, list(protocol.scans))
    scans = {}
    for part, (modality, scan) in enumerate(protocol.scans.items()):
        if modality not in kept:
            continue
        generator = _generator(parameters, enrolment.number, "scans", part)
        scan = replace(scan, sequence=jittered(scan.sequence, generator, _TIMING_JITTER))
        signal = signal_map(scan.sequence, scan.contrast_agent, head, tissues, textures, protocol.field)
        level = white_matter_level(signal, head)
        signal *= coil
        signal *= coil_bias(generator, head.grid, _OWN_BIAS * parameters.bias)
        image = ring(resample(signal, head.grid, grids[modality], motions[modality]))
        sigma = parameters.noise * protocol.noise * scan.noise * level * generator.uniform(0.8, 1.2)
        image = add_rician_noise(generator, image, sigma)
        if registered:
            image *= brain
        image *= np.float32(generator.uniform(350, 900) / level)  # scanners have no common unit
        scans[modality] = SimulatedScan(image, grids[modality])
    if parameters.layout == "remind":
        generator = _generator(parameters, enrolment.number, "ultrasound")
        tracked = random_motion(generator, parameters.max_translation_mm, parameters.max_rotation_deg)
        motions[ULTRASOUND] = tracked @ random_stretch(generator)
        target = tumour_centre(head) if parameters.lesions else _would_be_centre(parameters, enrolment)
        spacing_mm = parameters.spacing_mm / 2
        sweep = simulate_ultrasound(generator, head, target, spacing_mm, motions[ULTRASOUND])
        scans[ULTRASOUND] = SimulatedScan(*sweep)
    return SimulatedSubject(
        scans=scans,
        transforms=motions,
        reference=protocol.reference,
        reference_grid=grid,
        segmentation=_draw_labels(head, grid, motion) * brain if parameters.layout in _GLIOMA_LAYOUTS else None,
        tissues=_draw_tissues(head, grid, motion),
        brain=brain,
    )


def _draw_tissues(
    head: Head, grid: ScanGrid, motion: Float[np.ndarray, "4 4"]
) -> dict[str, Float[np.ndarray, "i j k"]]:
    """Grey, white and CSF shares within the brain on a scan's grid."""
    tissues = {}
    for name, members in {"grey": ("grey",), "white": ("white", "cap"), "csf": ("csf",)}.items():
        share = head.shares.dense(*members)
        share *= head.brain > 0.5
        tissues[name] = np.clip(resample(share, head.grid, grid, motion), 0, 1)
    return tissues


def _draw_labels(head: Head, grid: ScanGrid, motion: Float[np.ndarray, "4 4"]) -> np.ndarray:
    """Tumour labels on a scan's grid, uint8: the compartment that fills most of the voxel, 0 for healthy."""
    compartments = [
        resample(head.shares.dense(*names), head.grid, grid, motion)
        for names in (("necrosis", "tumour"), ("oedema",), ("enhancing",))
    ]
    return np.argmax(np.stack([1.0 - sum(compartments), *compartments]), axis=0).astype(np.uint8)
