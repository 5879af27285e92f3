"""Where a search for the head's motion starts from."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

_TURNS_DEG = (-25.0, 0.0, 25.0)


def rigid(rotation: NDArray, moved: ArrayLike, centre: ArrayLike) -> sitk.Euler3DTransform:
    """The rigid ITK transform that turns about a point and carries it to another.

    Args:
        rotation: 3×3, the nearest rotation to it is taken.
        moved: Where the centre goes, LPS mm.
        centre: The point turned about, LPS mm.
    """
    left, _, right = np.linalg.svd(rotation)
    transform = sitk.Euler3DTransform()
    transform.SetCenter(np.asarray(centre, dtype=float).tolist())
    transform.SetMatrix((left @ right).ravel().tolist(), 1e-6)
    transform.SetTranslation((np.asarray(moved, dtype=float) - centre).tolist())
    return transform


def usual_starts(reference: sitk.Image, scan: sitk.Image, centre: ArrayLike) -> list[sitk.Euler3DTransform]:
    """From where the headers put the scan, and from where its mass lies.

    Args:
        reference: The reference, uncropped.
        scan: The scan to be aligned.
        centre: Point to turn about, LPS mm in the reference's world.
    """
    shift = _ellipsoid(scan)[0] - _ellipsoid(reference)[0]
    return [rigid(np.eye(3), np.asarray(centre) + by, centre) for by in (np.zeros(3), shift)]


def wide_starts(reference: sitk.Image, scan: sitk.Image, centre: ArrayLike) -> Iterator[sitk.Euler3DTransform]:
    """Mass onto mass, turned by up to 25° about every axis, upright, upside down and back to front.

    Four half turns times 27 turns leave at most some 20° to the truth, within a search's reach. Principal axes
    onto principal axes (an ellipsoid looks the same after half a turn: four ways) find heads lying in between.

    Args:
        reference: The reference, uncropped.
        scan: The scan to be aligned.
        centre: Point to turn about, LPS mm in the reference's world.
    """
    (from_mass, from_axes), (to_mass, to_axes) = _ellipsoid(reference), _ellipsoid(scan)
    angles = product(_TURNS_DEG, repeat=3)
    turns = [Rotation.from_euler("xyz", three, degrees=True).as_matrix() for three in angles]
    halves = [np.diag(signs) for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))]
    rotations = [half @ turn for half in halves for turn in turns]
    for rotation in rotations + [to_axes @ half @ from_axes.T for half in halves]:
        yield rigid(rotation, rotation @ (np.asarray(centre) - from_mass) + to_mass, centre)


def mirrored_start(
    transform: sitk.Transform, reference: sitk.Image, scan: sitk.Image, centre: ArrayLike
) -> sitk.Euler3DTransform:
    """Where a mirrored scan lies on the reference, if the scan lies there by a transform.

    A head is nearly its own mirror image. Let F mirror the scan (which :func:`mirrored` does to its voxels) and R
    the reference, each at a plane across its first axis. What the reference has at p, the scan has at T(p), and
    nearly so at T(R(p)); the mirrored scan has that at F(T(R(p))), which is a rigid motion again.

    Args:
        transform: T, from points of the reference to points of the scan.
        reference: Gives the direction of R.
        scan: The scan before mirroring; gives F.
        centre: A point of R's plane, LPS mm: the middle of the brain.
    """
    middle = scan.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in scan.GetSize()])
    flip_scan, flip_reference = _flip(scan, middle), _flip(reference, centre)
    columns = [flip_scan(transform.TransformPoint(flip_reference(p).tolist())) for p in (*np.eye(3), np.zeros(3))]
    rotation = (np.array(columns[:3]) - columns[3]).T
    return rigid(rotation, rotation @ np.asarray(centre) + columns[3], centre)


def mirrored(scan: sitk.Image) -> sitk.Image:
    """The scan with its voxels in reverse order along the first axis, its header as it was."""
    turned = sitk.Flip(scan, [True, False, False])
    turned.CopyInformation(scan)
    return turned


def _flip(image: sitk.Image, centre: ArrayLike) -> Callable[[ArrayLike], NDArray[np.float64]]:
    """The reflection at the plane across an image's first axis that goes through a point."""
    normal = np.reshape(image.GetDirection(), (3, 3))[:, 0]
    return lambda point: np.asarray(point) - 2 * normal * (normal @ (np.asarray(point) - centre))


def _ellipsoid(image: sitk.Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of mass, LPS mm, and principal axes of an image's values (columns, a rotation)."""
    array = np.clip(sitk.GetArrayViewFromImage(image), 0, None).astype(float)
    directions = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    index = np.argwhere(array > 0)
    weights = array[array > 0]
    if not weights.size:
        return np.asarray(image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()])), np.eye(3)
    points = index[:, ::-1] @ directions.T + np.asarray(image.GetOrigin())
    mass = np.average(points, axis=0, weights=weights)
    _, axes = np.linalg.eigh(np.cov((points - mass).T, aweights=weights))
    return mass, axes * np.sign(np.linalg.det(axes))
