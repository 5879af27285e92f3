r"""An ultrasound sweep over a tumour, before the dura is opened: B-mode images of a curved probe, put together in 3-D.

Beams leave a curved face of radius R on the brain's surface. In the coordinates of the beams (depth r from the centre
of that curve, angle θ, position y of the probe on its way along the sweep) the echo is

.. math:: e = 10^{-A/20}\,\left(h * (a\,n) + s\right) + \text{noise},
          \qquad A = 2 f \int (\alpha - \alpha_{TGC})\,dr

with a the tissue's mean amplitude, n complex white noise (many scatterers per cell: Goodman 1975; its magnitude is
Rayleigh-distributed speckle), h the point-spread function, a Gaussian that is short along the beam and as wide across
it as the beams are apart, so that speckle widens with depth; s the reflection of interfaces that face the beam, in
proportion to the change of impedance along it; A the two-way attenuation that the machine's time gain compensation
leaves (shadows behind bone, enhancement behind fluid). The magnitude is compressed logarithmically to 8 bits and read
into a box of cubic voxels, 0 outside the fan.

Ours, for want of a wave simulation: echoes travel straight and at one speed (no refraction, reverberation, clutter or
beam patterns), speckle grains are as large as a voxel instead of a wavelength, and the sweep is a straight line.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from mrisynth_pipeline.cohorts.phantom.acoustics import AcousticMaps, acoustic_maps
from mrisynth_pipeline.cohorts.phantom.acquisition import HEAD_CENTRE_MM, ScanGrid
from mrisynth_pipeline.cohorts.phantom.anatomy import Head

_FACE_RADIUS_MM = 14.0
_HALF_ANGLE_DEG = 36.0
_HALF_SWEEP_MM = 26.0
_DEPTH_MM = (60.0, 85.0)
_BEYOND_TUMOUR_MM = 42.0
_MEGAHERTZ = 5.0
_COMPENSATION = 0.5  # dB/(cm MHz); brain swallows a little more, so that the image darkens with depth
_NOISE_DB = -62.0  # at the face, and raised by the compensation as if it were signal
_REFLECTION = 100.0  # amplitude, in units of white matter's speckle, per relative change of impedance in a millimetre
_SIDEWAYS = 0.2  # what an interface along the beam still sends back: it is rough
_RANGE_DB, _WHITE_DB = 52.0, 20.0  # shown are 52 dB; white matter's speckle lies 20 dB above black
_CRANIOTOMY_MM = 14.0
_STRETCH = 0.02
_MARGIN_MM = 4.0


@dataclass(frozen=True)
class Probe:
    """Where the middle of the sweep lies.

    Attributes:
        frame: 4x4, probe coordinates (across the beams, along the sweep, depth under the face; mm) → anatomy world.
        depth_mm: How deep it sees.
    """

    frame: Float[np.ndarray, "4 4"]
    depth_mm: float


def random_stretch(generator: np.random.Generator) -> Float[np.ndarray, "4 4"]:
    """A slight stretch of world points about the head's centre: tracked ultrasound assumes one speed of sound."""
    matrix = np.diag([*(1.0 + _STRETCH * generator.uniform(-1, 1, 3)), 1.0])
    matrix[:3, 3] = HEAD_CENTRE_MM - matrix[:3, :3] @ HEAD_CENTRE_MM
    return matrix


def place_probe(generator: np.random.Generator, head: Head, centre: Float[np.ndarray, "3"]) -> Probe:
    """Set the probe on the brain's surface where the way to a target is short, from above or the side.

    Args:
        generator: Source of the surgeon's choice: a turn about the beam and a tilt of it.
        head: The person.
        centre: What to look at, the middle of a tumour (anatomy world, mm).

    Returns:
        The probe.
    """
    count = 400
    height = 1.0 - 1.25 * (np.arange(count) + 0.5) / count  # directions (a Fibonacci lattice) to 15° below horizontal
    angle = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    outwards = np.stack([np.cos(angle), np.sin(angle), np.zeros(count)]) * np.sqrt(1.0 - height**2)
    outwards[2] = height
    outwards = outwards[:, (outwards[1] < 0.6) | (outwards[2] > 0.5)]  # not through the face
    way = np.arange(0.0, 110.0, 1.0)
    points = centre[:, None, None] + outwards[:, :, None] * way
    to_index = np.linalg.inv(head.grid.affine)
    index = np.tensordot(to_index[:3, :3], points, axes=(1, 0)) + to_index[:3, 3].reshape(3, 1, 1)
    depth = ndimage.map_coordinates(head.depth, index, order=1, cval=-100.0)
    outside = depth < 0.5
    surface = np.where(outside.any(axis=1), np.argmax(outside, axis=1), way.size - 1)
    shortest = int(np.argmin(surface + 6.0 * generator.random(surface.size)))
    inwards = -outwards[:, shortest]
    face = centre - inwards * way[surface[shortest]]
    inwards = inwards + 0.12 * generator.standard_normal(3)
    inwards /= np.linalg.norm(inwards)
    across = np.cross(inwards, generator.standard_normal(3))
    across /= np.linalg.norm(across)
    frame = np.eye(4)
    frame[:3, :3] = np.stack([across, np.cross(inwards, across), inwards], axis=1)
    frame[:3, 3] = face
    return Probe(frame, float(np.clip(way[surface[shortest]] + _BEYOND_TUMOUR_MM, *_DEPTH_MM)))


def simulate_ultrasound(
    generator: np.random.Generator,
    head: Head,
    target: Float[np.ndarray, "3"],
    spacing_mm: float,
    to_world: Float[np.ndarray, "4 4"],
) -> tuple[Float[np.ndarray, "i j k"], ScanGrid]:
    """Sweep over a part of the brain.

    Args:
        generator: Source of everything drawn here.
        head: The person.
        target: What to look at, the middle of a tumour (anatomy world, mm).
        spacing_mm: Voxel size of the result.
        to_world: Anatomy world → world of the tracked probe, affine (RAS, mm).

    Returns:
        Grey values 0 to 255, whole numbers in float32, 0 outside the fan; and the grid, whose axes are the probe's.
    """
    probe = place_probe(generator, head, target)
    maps = acoustic_maps(generator, head)
    beams = _Beams(probe.depth_mm, spacing_mm)
    echo = _echo(generator, beams, _read(maps, head, beams, probe), probe.depth_mm)
    decibel = 20.0 * np.log10(np.maximum(echo, 1e-6)) + _WHITE_DB + generator.uniform(-2, 2)
    grey = np.clip(255.0 * decibel / _RANGE_DB, 0, 255).astype(np.float32)
    grid = _box(probe, spacing_mm, to_world)
    # The probe's frame in the tracker's world is the box's; its coordinates there are those before the stretch.
    to_probe = np.linalg.inv(probe.frame) @ np.linalg.inv(to_world) @ grid.affine
    return _converted(grey, beams, grid.shape, to_probe), grid


class _Beams:
    """Sample points along depth, angle and sweep: ``[r, θ, y]``."""

    def __init__(self, depth_mm: float, spacing_mm: float) -> None:
        self.spacing_mm = spacing_mm
        self.first = np.array([_FACE_RADIUS_MM, -np.deg2rad(_HALF_ANGLE_DEG), -_HALF_SWEEP_MM])
        last = np.array([_FACE_RADIUS_MM + depth_mm, -self.first[1], _HALF_SWEEP_MM])
        # Across, samples are as far apart as voxels halfway down.
        self.step = np.array([spacing_mm / 2, spacing_mm / (_FACE_RADIUS_MM + depth_mm / 2), spacing_mm])
        self.shape = tuple(int(n) for n in np.ceil((last - self.first) / self.step) + 1)
        self.last = self.first + (np.array(self.shape) - 1) * self.step

    def points(self) -> Float[np.ndarray, "3 r a y"]:
        """Probe coordinates of every sample (across, along the sweep, depth), mm."""
        radius, angle, along = np.meshgrid(
            *(f + s * np.arange(n) for f, s, n in zip(self.first, self.step, self.shape, strict=True)),
            indexing="ij",
            sparse=True,
        )
        across, depth = radius * np.sin(angle), radius * np.cos(angle) - _FACE_RADIUS_MM
        return np.stack(np.broadcast_arrays(across, along, depth)).astype(np.float32)


def _read(maps: AcousticMaps, head: Head, beams: _Beams, probe: Probe) -> AcousticMaps:
    """The maps at the samples of the beams, with the craniotomy made."""
    points = beams.points()
    matrix = np.linalg.inv(head.grid.affine) @ probe.frame
    index = np.tensordot(matrix[:3, :3].astype(np.float32), points, axes=(1, 0))
    index += matrix[:3, 3].astype(np.float32).reshape(3, 1, 1, 1)
    amplitude, impedance, attenuation, cover = (
        ndimage.map_coordinates(volume, index, output=np.float32, order=1, mode="nearest")
        for volume in (maps.amplitude, maps.impedance, maps.attenuation, maps.cover)
    )
    opened = 1.0 - np.clip(cover * 2.0, 0, 1) * (points[2] < _CRANIOTOMY_MM)
    soft = np.float32(1.51)
    return AcousticMaps(amplitude * opened, soft + (impedance - soft) * opened, attenuation * opened, cover)


def _echo(
    generator: np.random.Generator, beams: _Beams, tissue: AcousticMaps, depth_mm: float
) -> Float[np.ndarray, "r a y"]:
    """Magnitude of the received echo after compensation; 1 is the mean amplitude of white matter near the face."""

    def noise() -> np.ndarray:
        parts = generator.standard_normal((2, *beams.shape), dtype=np.float32) * np.float32(np.sqrt(0.5))
        return parts[0] + 1j * parts[1]

    spread = (1.0, 0.8, 1.0)  # samples: a sample is half a voxel deep and a voxel wide
    single = np.eye(1, 17, 8)[0]
    kernel = np.prod([np.linalg.norm(ndimage.gaussian_filter1d(single, sigma)) for sigma in spread])
    scattered = tissue.amplitude * noise()
    speckle = ndimage.gaussian_filter(scattered.real, spread) + 1j * ndimage.gaussian_filter(scattered.imag, spread)
    speckle /= kernel  # as strong as before the blur
    logs = ndimage.gaussian_filter(np.log(tissue.impedance), (1.5, 0.8, 0.8))
    facing = np.abs(np.gradient(logs, beams.step[0], axis=0))
    across_mm = beams.step[1] * (_FACE_RADIUS_MM + depth_mm / 2)
    aside = np.hypot(np.gradient(logs, across_mm, axis=1), np.gradient(logs, beams.step[2], axis=2))
    reflected = _REFLECTION * (facing + _SIDEWAYS * aside)
    excess = np.cumsum(tissue.attenuation - _COMPENSATION, axis=0) * (beams.step[0] / 10.0)
    compensated = 2.0 * _MEGAHERTZ * excess
    depth = np.arange(beams.shape[0]).reshape(-1, 1, 1) * beams.step[0] / 10.0
    floor_db = _NOISE_DB + 2.0 * _MEGAHERTZ * _COMPENSATION * depth
    echo = (speckle + reflected) * 10 ** (-compensated / 20) + noise() * 10 ** (floor_db / 20)
    return np.abs(echo).astype(np.float32)


def _box(probe: Probe, spacing_mm: float, to_world: Float[np.ndarray, "4 4"]) -> ScanGrid:
    """The voxels that hold the fan with a margin: axes across, along the sweep, and depth, in the tracker's world."""
    reach = _FACE_RADIUS_MM + probe.depth_mm
    half = np.deg2rad(_HALF_ANGLE_DEG)
    low = np.array([-reach * np.sin(half), -_HALF_SWEEP_MM, _FACE_RADIUS_MM * (np.cos(half) - 1.0)]) - _MARGIN_MM
    high = np.array([reach * np.sin(half), _HALF_SWEEP_MM, probe.depth_mm]) + _MARGIN_MM
    frame = to_world @ probe.frame
    left, _, right = np.linalg.svd(frame[:3, :3])
    affine = np.eye(4)
    affine[:3, :3] = left @ right * spacing_mm  # the nearest rotation: a volume's axes stand upright on each other
    affine[:3, 3] = frame[:3, 3] + affine[:3, :3] @ (low / spacing_mm)
    return ScanGrid(tuple(int(n) for n in np.ceil((high - low) / spacing_mm)), affine)


def _converted(
    grey: Float[np.ndarray, "r a y"], beams: _Beams, shape: tuple[int, int, int], to_probe: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "i j k"]:
    """Beams read into a box of voxels; 0 outside the fan."""
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))
    across, along, depth = (
        np.tensordot(row[:3].astype(np.float32), index, axes=(0, 0)) + np.float32(row[3]) for row in to_probe[:3]
    )
    del index
    polar = np.stack([np.hypot(across, depth + _FACE_RADIUS_MM), np.arctan2(across, depth + _FACE_RADIUS_MM), along])
    first, last, step = (a.reshape(3, 1, 1, 1).astype(np.float32) for a in (beams.first, beams.last, beams.step))
    inside = ((polar >= first) & (polar <= last)).all(axis=0)
    values = ndimage.map_coordinates(grey, (polar - first) / step, output=np.float32, order=1, mode="nearest")
    return np.round(values) * inside
