"""From the digital head to a scan: head motion, slices, coil sensitivity, ringing and noise."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from jaxtyping import Float
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field

HEAD_CENTRE_MM = np.array([0.0, -16.0, 14.0])
"""Point about which heads turn and on which scans are centred."""


@dataclass(frozen=True)
class ScanGrid:
    """Voxel grid of a scan.

    Attributes:
        shape: Voxels along the three stored axes; slices along the last.
        affine: Voxel index → scan world (RAS, mm).
    """

    shape: tuple[int, int, int]
    affine: Float[np.ndarray, "4 4"]


def rigid(translation_mm: np.ndarray, rotation_deg: np.ndarray) -> Float[np.ndarray, "4 4"]:
    """Rigid motion of world points: rotation about x, y, z through the head's centre, then translation."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    matrix[:3, 3] = HEAD_CENTRE_MM + translation_mm - matrix[:3, :3] @ HEAD_CENTRE_MM
    return matrix


def random_motion(
    generator: np.random.Generator, max_translation_mm: float, max_rotation_deg: float
) -> Float[np.ndarray, "4 4"]:
    """Draw where the head moved to: anatomy world → scan world, uniform in ± the limits on each axis."""
    translation = generator.uniform(-1, 1, 3) * max_translation_mm
    return rigid(translation, generator.uniform(-1, 1, 3) * max_rotation_deg)


def scanner_grid(
    orientation: str, voxel_mm: tuple[float, float, float], extent_mm: tuple[float, float, float], tilt_deg: float
) -> ScanGrid:
    """A grid as prescribed at the scanner.

    Args:
        orientation: Axis codes of the array, such as ``"LPS"``.
        voxel_mm: Voxel size along the stored axes.
        extent_mm: Extent along the stored axes.
        tilt_deg: Rotation of the whole grid about the left-right axis.

    Returns:
        The grid, centred on the head.
    """
    shape = tuple(max(round(e / v), 8) for e, v in zip(extent_mm, voxel_mm, strict=True))
    codes = nib.orientations.axcodes2ornt(orientation)
    directions = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(codes):
        directions[int(axis), column] = sign
    tilt = Rotation.from_euler("x", tilt_deg, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = tilt @ directions @ np.diag(voxel_mm)
    affine[:3, 3] = HEAD_CENTRE_MM - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return ScanGrid(shape, affine)


def archive_grid(spacing_mm: float) -> ScanGrid:
    """The grid of the BraTS archive at another voxel size: 240x240x155 at 1 mm, LPS, its affine."""
    shape = tuple(int(np.ceil(size / spacing_mm)) for size in (240, 240, 155))
    affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = (0.0, 239.0, 0.0)
    return ScanGrid(shape, affine)


def archive_position(brain: Float[np.ndarray, "x y z"], grid: HeadGrid) -> Float[np.ndarray, "4 4"]:
    """Anatomy world → world of the BraTS archive: the translation that fits the brain into the archive's grid."""
    inside = brain > 0.5
    low, high = [], []
    for axis, centres in enumerate(grid.axes):
        seen = centres[inside.any(axis=tuple(a for a in range(3) if a != axis))]
        low.append(seen[0])
        high.append(seen[-1])
    middle = (np.array(low) + np.array(high)) / 2
    matrix = np.eye(4)
    matrix[:3, 3] = np.array([-119.5, 119.5, 77.0]) - middle
    matrix[2, 3] = min(matrix[2, 3], 149.0 - high[2])  # a tall brain loses its stem, not its crown
    return matrix


def resample(
    volume: Float[np.ndarray, "x y z"],
    head: HeadGrid,
    target: ScanGrid,
    motion: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "i j k"]:
    """Average a head volume over the voxels of a scan.

    Each slice averages several planes across its thickness with the weights of a real slice profile (trapezoid);
    in-plane voxels are about as large as the head's and are read trilinearly.

    Args:
        volume: Values on the head's grid.
        head: That grid.
        target: Grid of the scan.
        motion: Anatomy world → scan world.

    Returns:
        Values on the scan's grid, 0 outside the head's box; float32.
    """
    thickness = float(np.linalg.norm(target.affine[:3, 2]))
    planes = max(int(np.ceil(thickness / head.spacing_mm - 0.01)), 1)
    matrix = np.linalg.inv(head.affine) @ np.linalg.inv(motion) @ target.affine
    if planes == 1:
        return ndimage.affine_transform(volume, matrix, output_shape=target.shape, output=np.float32, order=1)
    finer = np.diag([1.0, 1.0, 1.0 / planes, 1.0])
    finer[2, 3] = -(planes - 1) / (2 * planes)
    shape = (*target.shape[:2], target.shape[2] * planes)
    fine = ndimage.affine_transform(volume, matrix @ finer, output_shape=shape, output=np.float32, order=1)
    fine = fine.reshape(*target.shape, planes)
    weights = np.ones(planes, np.float32)
    if planes > 2:
        weights[[0, -1]] = 0.6
    return fine @ (weights / weights.sum())


def coil_bias(generator: np.random.Generator, head: HeadGrid, largest: float) -> Float[np.ndarray, "x y z"]:
    """Smooth receive sensitivity around 1, deviating from it by at most ``largest`` over the head.

    The coil stays in the scanner when the head moves; over a few millimetres a field this smooth does not change, so
    it is laid over the head.
    """
    bias = random_field(generator, head.axes, 85.0)
    bias -= bias.mean()
    return 1.0 + np.float32(largest) * bias / max(float(np.abs(bias).max()), 1e-6)


def ring(image: Float[np.ndarray, "i j k"], kept: float = 0.84) -> Float[np.ndarray, "i j k"]:
    """Mild Gibbs ringing: the outer part of each slice's k-space is missing, with a soft edge.

    Args:
        image: Magnitude image, slices along the last axis.
        kept: Share of k-space kept in-plane; the roll-off spans the next tenth.

    Returns:
        The low-passed image, float32; may undershoot 0 slightly.
    """
    spectrum = fft.rfft2(image, axes=(0, 1))
    for axis, frequency in enumerate((fft.fftfreq(image.shape[0]), fft.rfftfreq(image.shape[1]))):
        window = 1.0 / (1.0 + np.exp((np.abs(frequency) / 0.5 - kept - 0.05) / 0.02))
        spectrum *= window.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    return fft.irfft2(spectrum, s=image.shape[:2], axes=(0, 1)).astype(np.float32)


def add_rician_noise(
    generator: np.random.Generator, image: Float[np.ndarray, "i j k"], sigma: float
) -> Float[np.ndarray, "i j k"]:
    """Magnitude of the image plus complex Gaussian noise: |S + n1 + i n2|, n ~ N(0, sigma^2)."""
    if sigma == 0:
        return np.abs(image)
    real = generator.standard_normal(image.shape, dtype=np.float32)
    imaginary = generator.standard_normal(image.shape, dtype=np.float32)
    return np.hypot(image + np.float32(sigma) * real, np.float32(sigma) * imaginary)
