"""Rigid registration of two contrasts of one head by Mattes mutual information."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import centre_of_mass, ras_matrix, shrink_to
from mrisynth_pipeline.imaging.parameters import RegistrationParameters
from mrisynth_pipeline.imaging.threads import one_itk_thread

# Skull and scalp move with the brain, and without them registration slides off where two contrasts have little in
# common inside the brain (T1 after gadolinium and T2). Skin is soft and its fat is displaced by a voxel in some
# sequences: the finer levels see less of it.
_COARSE_RIM_MM = 10.0
_RIM_MM = 6.0
_GAIN_TO_DISTRUST_HEADERS = 1.1  # where the headers are right, both starts end within 1 % of each other
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


@dataclass(frozen=True)
class _Level:
    """One level of the pyramid: the prepared reference and where to measure, cropped to each other."""

    spacing_mm: float
    fixed: sitk.Image
    mask: sitk.Image


class RigidRegistration:
    """Finds the rigid motion of the head between a reference and other scans of the same session.

    Scans of one session share scanner coordinates, so the search starts from where the headers put them; a
    second start, from the scans' centres of mass, wins only if it explains them clearly better (scans of
    another session, or with broken headers). Coarse to fine; at each level both images are averaged to its
    voxel size and blurred by half of that.
    """

    def __init__(self, reference: sitk.Image, mask: sitk.Image, parameters: RegistrationParameters) -> None:
        """Prepare the reference once for all scans.

        Args:
            reference: The scan whose space is kept.
            mask: uint8, in the reference's space: the brain. Mutual information is measured there and in a rim.
            parameters: Levels, samples, iterations, seed.
        """
        self._parameters = parameters
        references = [_prepared(reference, mm) for mm in parameters.levels_mm]
        wide, narrow = (_with_rim(mask, mm) for mm in (_COARSE_RIM_MM, _RIM_MM))
        masks = [wide] + [narrow] * (len(references) - 1)
        self._levels = [
            _Level(mm, _cropped(image, inside), _cropped(inside, inside))
            for mm, image, inside in zip(parameters.levels_mm, references, masks, strict=True)
        ]
        self._mass = np.asarray(centre_of_mass(references[0]))
        size = np.asarray(self._levels[0].mask.GetSize(), dtype=float)
        self._centre = self._levels[0].mask.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist())

    @one_itk_thread()
    def align(self, scan: sitk.Image) -> RigidAlignment:
        """Align one scan.

        Args:
            scan: Any contrast of the same head, RAS+ axes.

        Returns:
            The alignment. If it explains the scans no better than the headers did, the headers win (identity).
        """
        moving = [_prepared(scan, level.spacing_mm) for level in self._levels]
        transform = self._coarsely(self._levels[0], moving[0])
        for level, image in zip(self._levels[1:], moving[1:], strict=True):
            self._descend(level, image, transform)
        identity = sitk.Euler3DTransform()
        before, after = (self._information(self._levels[-1], moving[-1], each) for each in (identity, transform))
        if after < before:
            transform, after = identity, before
        matrix = ras_matrix(transform)
        centre = np.array([-self._centre[0], -self._centre[1], self._centre[2]])
        shift = matrix[:3, :3] @ centre + matrix[:3, 3] - centre
        angle = np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))
        return RigidAlignment(matrix, before, after, float(np.linalg.norm(shift)), float(np.degrees(angle)))

    def _coarsely(self, level: _Level, moving: sitk.Image) -> sitk.Euler3DTransform:
        """The coarsest level, from where the headers put the scan and from where its mass lies."""
        by_headers = sitk.Euler3DTransform()
        by_headers.SetCenter(self._centre)
        by_mass = sitk.Euler3DTransform(by_headers)
        by_mass.SetTranslation((np.asarray(centre_of_mass(moving)) - self._mass).tolist())
        self._descend(level, moving, by_headers)
        self._descend(level, moving, by_mass)
        needed = _GAIN_TO_DISTRUST_HEADERS * self._information(level, moving, by_headers)
        return by_mass if self._information(level, moving, by_mass) > needed else by_headers

    def _descend(self, level: _Level, moving: sitk.Image, transform: sitk.Transform) -> None:
        """Improve a transform, in place, on one level; if the two do not overlap, it stays as it is."""
        method = self._method(level)
        descend_in_steps(method, level.spacing_mm, self._parameters.max_iterations)
        method.SetInitialTransform(transform, inPlace=True)
        with suppress(RuntimeError):  # ITK: all samples map outside the moving image
            method.Execute(level.fixed, moving)

    def _method(self, level: _Level) -> sitk.ImageRegistrationMethod:
        """The metric on one level."""
        parameters = self._parameters
        return mutual_information_method(
            level.fixed, level.mask, parameters.samples, parameters.histogram_bins, parameters.seed
        )

    def _information(self, level: _Level, moving: sitk.Image, transform: sitk.Transform) -> float:
        """Mutual information under a transform; ITK minimises its negative."""
        method = self._method(level)
        method.SetInitialTransform(transform)
        try:
            return -float(method.MetricEvaluate(level.fixed, moving))
        except RuntimeError:  # no overlap: they share nothing
            return 0.0


def _prepared(image: sitk.Image, level_mm: float) -> sitk.Image:
    """Averaged to about ``level_mm``, bright outliers clipped, blurred by half a voxel."""
    coarse = shrink_to(image, level_mm)
    array = sitk.GetArrayViewFromImage(coarse)
    foreground = array[array > 0]
    top = float(np.percentile(foreground, _CLIP_PERCENTILE)) if foreground.size else 1.0
    # Bin borders of the histogram beat with the voxel grid; a little blur keeps the metric smooth.
    return sitk.SmoothingRecursiveGaussian(sitk.Clamp(coarse, sitk.sitkFloat32, 0.0, top), level_mm / 2)


def _with_rim(mask: sitk.Image, rim_mm: float) -> sitk.Image:
    """A mask grown by a rim."""
    return sitk.BinaryDilate(mask, [max(1, round(rim_mm / spacing)) for spacing in mask.GetSpacing()])


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


def descend_in_steps(method: sitk.ImageRegistrationMethod, step_mm: float, max_iterations: int) -> None:
    """Set the optimiser: steps of a given length in mm that shrink at every turn of the gradient.

    Steps of a voxel that shrink slowly (0.7 instead of ITK's 0.5) reach the optimum from 20° and 20 mm away;
    shorter or faster shrinking ones stop on the way.

    Args:
        method: The registration, metric set.
        step_mm: How far the first step moves a voxel at most.
        max_iterations: Steps at most.
    """
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step_mm,
        minStep=step_mm / 400,
        numberOfIterations=max_iterations,
        relaxationFactor=0.7,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
