"""The measure behind every registration, Mattes mutual information, on levels from coarse to fine."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)

from mrisynth_pipeline.imaging.geometry import grid_of, shrink_to
from mrisynth_pipeline.imaging.parameters import RegistrationParameters

_CLIP_PERCENTILE = 99.0  # fat and vessels would claim most of the histogram's bins


@dataclass(frozen=True)
class Level:
    """One level of the pyramid.

    Args:
        spacing_mm: About how large its voxels are.
        fixed: The prepared reference, cropped to the mask.
        mask: uint8, where mutual information is measured, on the same voxels.
        parameters: Samples, iterations, bins, seed.
    """

    spacing_mm: float
    fixed: sitk.Image
    mask: sitk.Image
    parameters: RegistrationParameters

    @classmethod
    def of(cls, fixed: sitk.Image, mask: sitk.Image, spacing_mm: float, parameters: RegistrationParameters) -> "Level":
        """A level of a prepared reference, cropped to where it is measured."""
        cropped = _cropped(fixed, mask)
        inside = sitk.Resample(mask, cropped, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
        return cls(spacing_mm, cropped, inside, parameters)

    def descend(
        self,
        moving: sitk.Image,
        transform: sitk.Transform,
        samples: int | None = None,
        iterations: int | None = None,
        step_mm: float | None = None,
    ) -> None:
        """Improve a transform, in place; where the two images do not overlap, it stays as it is.

        Args:
            moving: The other scan, prepared for this level.
            transform: Maps points of the reference to points of the scan (ITK's LPS).
            samples: Points measured at, if fewer than the parameters say.
            iterations: Steps at most, if fewer than the parameters say.
            step_mm: First step; a voxel of this level by default.
        """
        method = self._method(samples)
        limit = self.parameters.max_iterations
        descend_in_steps(method, step_mm or self.spacing_mm, min(iterations or limit, limit))
        method.SetInitialTransform(transform, inPlace=True)
        with suppress(RuntimeError):  # ITK: all samples map outside the moving image
            method.Execute(self.fixed, moving)

    def information(self, moving: sitk.Image, transform: sitk.Transform, samples: int | None = None) -> float:
        """Mutual information in nats under a transform; ITK minimises its negative."""
        return self.informations(moving, [transform], samples)[0]

    def informations(
        self, moving: sitk.Image, transforms: Iterable[sitk.Transform], samples: int | None = None
    ) -> list[float]:
        """The same under many transforms: the metric is set up once."""
        method = self._method(samples)
        values = []
        for transform in transforms:
            method.SetInitialTransform(transform)
            try:
                values.append(-float(method.MetricEvaluate(self.fixed, moving)))
            except RuntimeError:  # no overlap: they share nothing
                values.append(0.0)
        return values

    def _method(self, samples: int | None) -> sitk.ImageRegistrationMethod:
        """The metric on this level."""
        parameters = self.parameters
        count = min(samples or parameters.samples, parameters.samples)
        return mutual_information_method(self.fixed, self.mask, count, parameters.histogram_bins, parameters.seed)


def prepared(image: sitk.Image, level_mm: float, blur: float = 0.5) -> sitk.Image:
    """Averaged to about ``level_mm``, bright outliers clipped, blurred by ``blur`` voxels."""
    coarse = shrink_to(image, level_mm)
    array = sitk.GetArrayViewFromImage(coarse)
    foreground = array[array > 0]
    top = float(np.percentile(foreground, _CLIP_PERCENTILE)) if foreground.size else 1.0
    # Bin borders of the histogram beat with the voxel grid; a little blur keeps the metric smooth.
    return sitk.SmoothingRecursiveGaussian(sitk.Clamp(coarse, sitk.sitkFloat32, 0.0, top), blur * level_mm)


def with_rim(mask: sitk.Image, rim_mm: float) -> sitk.Image:
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
        fixed: The fixed image.
        mask: uint8, where to measure; resampled if its voxels are others.
        samples: About how many of the mask's voxels are drawn.
        bins: Bins of the joint histogram.
        seed: Seed of the draw.

    Returns:
        The method; optimiser and transform are the caller's.
    """
    inside = mask
    if not grid_of(mask).matches(grid_of(fixed), tolerance_mm=1e-3):
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


@dataclass(frozen=True)
class Stage:
    """One stage of a fit onto a template.

    Args:
        affine: Whether all twelve degrees of freedom are open from here on.
        voxel_mm: About how large the voxels of the fixed image are.
        blur_mm: Standard deviation of the blur of both images.
        samples: Points at which mutual information is measured.
        step_mm: First step of the search.
    """

    affine: bool
    voxel_mm: float
    blur_mm: float
    samples: int
    step_mm: float


def fit_in_stages(
    stages: Iterable[Stage],
    start: sitk.Transform,
    fixed_at: Callable[[float], sitk.Image],
    moving_at: Callable[[float], sitk.Image],
    domain: sitk.Image,
    seed: int,
    max_iterations: int,
) -> sitk.Transform:
    """Fit a template (moving) onto a scan (fixed) by mutual information, stage by stage.

    Args:
        stages: Coarse to fine.
        start: Rigid or similarity transform to start from; changed in place up to the first affine stage.
        fixed_at: Voxel size in mm → the scan, not yet blurred.
        moving_at: Blur in mm → the template, blurred.
        domain: uint8, where in the scan to measure.
        seed: Seed of the metric's sampling.
        max_iterations: Steps per stage at most.

    Returns:
        The transform from points of the scan to points of the template (ITK's LPS).
    """
    transform = start
    for stage in stages:
        if stage.affine:
            transform = as_affine(transform)
        fixed = sitk.SmoothingRecursiveGaussian(fixed_at(stage.voxel_mm), stage.blur_mm)
        method = mutual_information_method(fixed, domain, stage.samples, seed=seed)
        descend_in_steps(method, stage.step_mm, max_iterations)
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(fixed, moving_at(stage.blur_mm))
    return transform


def as_affine(transform: sitk.Transform) -> sitk.AffineTransform:
    """The same map as a rigid or similarity transform, with all twelve degrees of freedom open."""
    affine = sitk.AffineTransform(3)
    affine.SetCenter(transform.GetCenter())
    affine.SetMatrix(transform.GetMatrix())
    affine.SetTranslation(transform.GetTranslation())
    return affine
