"""Rigid registration of two contrasts of one head by Mattes mutual information."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import itk_transform, ras_matrix, shrink_to
from mrisynth_pipeline.imaging.parameters import RegistrationParameters

_CLIP_PERCENTILE = 99.0  # fat and vessels would claim most of the histogram's bins


@dataclass(frozen=True)
class RigidAlignment:
    """Where one contrast's points lie in another scan.

    Args:
        matrix: 4×4 RAS matrix from reference world points to the scan's world points, in mm.
        information_before: Mutual information (nats) of the two as the scanner placed them.
        information_after: The same after registration.
        translation_mm: How far the centre of the mask moves.
        rotation_deg: Angle of the rotation about its axis.
    """

    matrix: NDArray[np.float64]
    information_before: float
    information_after: float
    translation_mm: float
    rotation_deg: float


def register_rigid(
    reference: sitk.Image, scan: sitk.Image, mask: sitk.Image, parameters: RegistrationParameters
) -> RigidAlignment:
    """Find the rigid motion of the head between two scans of one session.

    Scans of one session share scanner coordinates, so the search starts from where the headers put them.
    Coarse to fine; at each level both images are averaged to its voxel size and blurred by half of that.

    Args:
        reference: The scan whose space is kept.
        scan: The scan to be aligned with it.
        mask: uint8, in the reference's space: where mutual information is measured.
        parameters: Levels, samples, iterations, seed.

    Returns:
        The alignment. If it explains the scans no better than the headers did, the headers win (identity).
    """
    centre = _mask_centre(mask)
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre)
    for level in parameters.levels_mm:
        fixed, moving = _prepared(reference, level), _prepared(scan, level)
        method = _method(fixed, mask, parameters)
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=level / 4, minStep=level / 400, numberOfIterations=parameters.max_iterations
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(fixed, moving)
    identity = sitk.Euler3DTransform()
    before, after = (_information(fixed, moving, mask, t, parameters) for t in (identity, transform))
    if after < before:
        transform, after = identity, before
    matrix = ras_matrix(transform)
    centre_ras = np.array([-centre[0], -centre[1], centre[2]])
    shift = matrix[:3, :3] @ centre_ras + matrix[:3, 3] - centre_ras
    angle = np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))
    return RigidAlignment(matrix, before, after, float(np.linalg.norm(shift)), float(np.degrees(angle)))


def mutual_information(
    reference: sitk.Image,
    scan: sitk.Image,
    mask: sitk.Image,
    matrix: NDArray,
    parameters: RegistrationParameters,
) -> float:
    """Mattes mutual information (nats) of two scans under a given alignment, at the finest level.

    Args:
        reference: The scan in whose space the mask lies.
        scan: The other scan.
        mask: uint8, where to measure.
        matrix: 4×4 RAS matrix from reference points to scan points.
        parameters: Level and histogram.
    """
    level = parameters.levels_mm[-1]
    fixed, moving = _prepared(reference, level), _prepared(scan, level)
    return _information(fixed, moving, mask, itk_transform(matrix), parameters)


def _prepared(image: sitk.Image, level_mm: float) -> sitk.Image:
    """Averaged to about ``level_mm``, bright outliers clipped, blurred by half a voxel."""
    coarse = shrink_to(image, level_mm)
    array = sitk.GetArrayViewFromImage(coarse)
    foreground = array[array > 0]
    top = float(np.percentile(foreground, _CLIP_PERCENTILE)) if foreground.size else 1.0
    # Bin borders of the histogram beat with the voxel grid; a little blur keeps the metric smooth.
    return sitk.SmoothingRecursiveGaussian(sitk.Clamp(coarse, sitk.sitkFloat32, 0.0, top), level_mm / 2)


def _method(
    fixed: sitk.Image, mask: sitk.Image, parameters: RegistrationParameters
) -> sitk.ImageRegistrationMethod:
    """The metric, on a seeded share of the mask's voxels."""
    inside = sitk.Resample(mask, fixed, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    count = int(np.count_nonzero(sitk.GetArrayViewFromImage(inside)))
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(parameters.histogram_bins)
    if count > parameters.samples:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(
            parameters.samples / count, parameters.seed + 1
        )  # 0 means the clock
    method.SetMetricFixedMask(inside)
    method.SetInterpolator(sitk.sitkLinear)
    # SimpleITK's default takes gradients from extra-blurred images: they are not the metric's own (against
    # finite differences wrong by factors of 2 to 3, sometimes in sign), and the search runs off.
    method.MetricUseFixedImageGradientFilterOff()
    method.MetricUseMovingImageGradientFilterOff()
    return method


def _information(
    fixed: sitk.Image,
    moving: sitk.Image,
    mask: sitk.Image,
    transform: sitk.Transform,
    parameters: RegistrationParameters,
) -> float:
    """Mutual information under a transform; ITK minimises its negative."""
    method = _method(fixed, mask, parameters)
    method.SetInitialTransform(transform)
    try:
        return -float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:  # too few points of the mask fall inside the scan: they share nothing
        return 0.0


def _mask_centre(mask: sitk.Image) -> tuple[float, float, float]:
    """Centre of a mask's bounding box, ITK world coordinates in mm."""
    where = np.nonzero(sitk.GetArrayViewFromImage(mask))
    index = [float(axis.min() + axis.max()) / 2 for axis in where[::-1]]
    return mask.TransformContinuousIndexToPhysicalPoint(index)
