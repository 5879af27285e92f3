"""Rigid registration of two contrasts of one head by Mattes mutual information."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import ras_matrix, shrink_to
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


class RigidRegistration:
    """Finds the rigid motion of the head between a reference and other scans of the same session.

    Scans of one session share scanner coordinates, so each search starts from where the headers put them.
    Coarse to fine; at each level both images are averaged to its voxel size and blurred by half of that.
    """

    def __init__(self, reference: sitk.Image, mask: sitk.Image, parameters: RegistrationParameters) -> None:
        """Prepare the reference once for all scans.

        Args:
            reference: The scan whose space is kept.
            mask: uint8, in the reference's space: where mutual information is measured.
            parameters: Levels, samples, iterations, seed.
        """
        self._parameters = parameters
        self._mask = _cropped(mask, mask)
        self._levels = [(mm, _cropped(_prepared(reference, mm), mask)) for mm in parameters.levels_mm]
        size = np.asarray(self._mask.GetSize(), dtype=float)
        self._centre = self._mask.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist())

    def align(self, scan: sitk.Image) -> RigidAlignment:
        """Align one scan.

        Args:
            scan: Any contrast of the same head, RAS+ axes.

        Returns:
            The alignment. If it explains the scans no better than the headers did, the headers win (identity).
        """
        transform = sitk.Euler3DTransform()
        transform.SetCenter(self._centre)
        for level, fixed in self._levels:
            moving = _prepared(scan, level)
            method = self._method(fixed)
            method.SetOptimizerAsRegularStepGradientDescent(
                learningRate=level / 4, minStep=level / 400, numberOfIterations=self._parameters.max_iterations
            )
            method.SetOptimizerScalesFromPhysicalShift()
            method.SetInitialTransform(transform, inPlace=True)
            method.Execute(fixed, moving)
        identity = sitk.Euler3DTransform()
        before, after = (self._information(fixed, moving, each) for each in (identity, transform))
        if after < before:
            transform, after = identity, before
        matrix = ras_matrix(transform)
        centre = np.array([-self._centre[0], -self._centre[1], self._centre[2]])
        shift = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
        angle = np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))
        return RigidAlignment(matrix, before, after, float(np.linalg.norm(shift)), float(np.degrees(angle)))

    def _method(self, fixed: sitk.Image) -> sitk.ImageRegistrationMethod:
        """The metric on one level."""
        parameters = self._parameters
        return mutual_information_method(
            fixed, self._mask, parameters.samples, parameters.histogram_bins, parameters.seed
        )

    def _information(self, fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
        """Mutual information under a transform; ITK minimises its negative."""
        method = self._method(fixed)
        method.SetInitialTransform(transform)
        try:
            return -float(method.MetricEvaluate(fixed, moving))
        except RuntimeError:  # too few points of the mask fall inside the scan: they share nothing
            return 0.0


def _prepared(image: sitk.Image, level_mm: float) -> sitk.Image:
    """Averaged to about ``level_mm``, bright outliers clipped, blurred by half a voxel."""
    coarse = shrink_to(image, level_mm)
    array = sitk.GetArrayViewFromImage(coarse)
    foreground = array[array > 0]
    top = float(np.percentile(foreground, _CLIP_PERCENTILE)) if foreground.size else 1.0
    # Bin borders of the histogram beat with the voxel grid; a little blur keeps the metric smooth.
    return sitk.SmoothingRecursiveGaussian(sitk.Clamp(coarse, sitk.sitkFloat32, 0.0, top), level_mm / 2)


def _cropped(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """The part of an image inside a mask's bounding box: ITK walks over every voxel of the fixed image."""
    where = np.nonzero(sitk.GetArrayViewFromImage(mask))[::-1]
    corners = [
        image.TransformPhysicalPointToIndex(mask.TransformIndexToPhysicalPoint([int(v) for v in index]))
        for index in ([axis.min() for axis in where], [axis.max() for axis in where])
    ]
    last = np.asarray(image.GetSize()) - 1
    low, high = np.clip(np.sort(corners, axis=0) + np.array([[-1], [1]]), 0, last)
    return sitk.RegionOfInterest(image, (high - low + 1).tolist(), low.tolist())


def mutual_information_method(
    fixed: sitk.Image, mask: sitk.Image, samples: int, bins: int = 32, seed: int = 0
) -> sitk.ImageRegistrationMethod:
    """An ITK registration with its metric set: Mattes mutual information on a seeded share of a mask.

    Args:
        fixed: The fixed image, on whose voxels the mask is resampled.
        mask: uint8, where to measure.
        samples: About how many of the mask's voxels are drawn.
        bins: Bins of the joint histogram.
        seed: Seed of the draw.

    Returns:
        The method; optimiser and transform are the caller's.
    """
    inside = sitk.Resample(mask, fixed, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    count = int(np.count_nonzero(sitk.GetArrayViewFromImage(inside)))
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(bins)
    if count > samples:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(samples / count, seed + 1)  # ITK takes 0 for the clock
    method.SetMetricFixedMask(inside)
    method.SetInterpolator(sitk.sitkLinear)
    # SimpleITK's default takes gradients from extra-blurred images: they are not the metric's own (against
    # finite differences wrong by factors of 2 to 3, sometimes in sign), and the search runs off.
    method.MetricUseFixedImageGradientFilterOff()
    method.MetricUseMovingImageGradientFilterOff()
    return method
