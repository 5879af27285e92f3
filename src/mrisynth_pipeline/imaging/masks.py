"""Foreground: the head, the brain inside a head, or what a skull-stripped archive left."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth_pipeline.imaging.geometry import grid_of, image_on, shrink_to

_WORK_MM = 4
_SKULL_MARGIN_MM = 10.0  # brain voxels alone have no edge; this rim of skull around them gives one


def head_mask(image: sitk.Image) -> sitk.Image:
    """The head against air: Otsu threshold, largest component, holes filled.

    Args:
        image: A scan that is not skull-stripped, RAS+ axes.

    Returns:
        uint8 mask on the scan averaged to about 2 mm voxels.
    """
    coarse = shrink_to(image, 2.0)
    array = sitk.GetArrayViewFromImage(coarse)
    # Fat and vessels stretch the histogram; without them Otsu finds air | tissue, not tissue | fat.
    clipped = sitk.Clamp(coarse, sitk.sitkFloat32, 0.0, float(np.percentile(array, 98)))
    foreground = sitk.GetArrayFromImage(sitk.OtsuThreshold(clipped, 0, 1)).astype(bool)
    foreground = ndimage.binary_closing(np.pad(foreground, 2), iterations=2)[2:-2, 2:-2, 2:-2]
    return image_on(_filled(_largest(foreground)).astype(np.uint8), grid_of(coarse).affine)


def stripped_mask(volumes: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Union of the non-zero voxels of skull-stripped, co-registered contrasts: largest component, filled.

    Args:
        volumes: Scanner values ``[z, y, x]`` on one grid. Small negative values, which interpolation leaves
            around the brain, count as background.
    """
    union = np.zeros(volumes[0].shape, dtype=bool)
    for volume in volumes:
        union |= volume > 0
    return _filled(_largest(union))


def brain_mask(image: sitk.Image, iterations: int = 60, seed: int = 0) -> sitk.Image:
    """The brain inside a head: the MNI152 template brain laid onto it by affine registration.

    Mattes mutual information is measured only over the template's brain and a 10 mm rim, so that neck,
    face, and what a scan's field of view leaves out do not matter. The template (ICBM 2009a, skull-stripped)
    ships inside the nilearn package; nothing is downloaded.

    Args:
        image: A head scan of any contrast, RAS+ axes.
        iterations: Optimiser steps per level.
        seed: Seed of the metric's sampling.

    Returns:
        uint8 mask on the scan averaged to about 2 mm voxels.
    """
    template, rim, brain = _template()
    moving = shrink_to(image, _WORK_MM)
    moving = sitk.Clamp(
        moving, sitk.sitkFloat32, 0.0, float(np.percentile(sitk.GetArrayViewFromImage(moving), 99))
    )
    transform = sitk.AffineTransform(3)
    centre = _centre(brain)
    transform.SetCenter(centre)
    transform.SetTranslation((np.asarray(_top_of_head_centre(head_mask(image))) - centre).tolist())
    for sigma, share in ((4.0, 0.3), (2.0, 0.6)):
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(share, seed + 1)
        method.SetMetricFixedMask(rim)
        method.MetricUseFixedImageGradientFilterOff()
        method.MetricUseMovingImageGradientFilterOff()
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.01, iterations, 0.6, 1e-6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(
            sitk.SmoothingRecursiveGaussian(template, sigma), sitk.SmoothingRecursiveGaussian(moving, sigma)
        )
    coarse = shrink_to(image, 2.0)
    carried = sitk.Resample(
        sitk.Cast(brain, sitk.sitkFloat32), coarse, transform.GetInverse(), sitk.sitkLinear
    )
    mask = sitk.GetArrayFromImage(carried) > 0.5
    return image_on(_filled(_largest(mask)).astype(np.uint8), grid_of(coarse).affine)


@lru_cache(maxsize=1)
def _template() -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """The MNI152 template, its brain plus rim (uint8), and its brain (uint8), on 4 mm voxels."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template  # a second to import: only here

    nifti = load_mni152_template(resolution=_WORK_MM)
    template = image_on(nifti.get_fdata(dtype=np.float32).transpose(2, 1, 0), nifti.affine)
    brain = load_mni152_brain_mask(resolution=_WORK_MM).get_fdata().transpose(2, 1, 0) > 0
    brain = _filled(brain)
    distance = ndimage.distance_transform_edt(~brain) * _WORK_MM
    rim = (distance <= _SKULL_MARGIN_MM).astype(np.uint8)
    return template, image_on(rim, nifti.affine), image_on(brain.astype(np.uint8), nifti.affine)


def _centre(mask: sitk.Image) -> tuple[float, float, float]:
    """Centre of mass of a mask, ITK world coordinates in mm."""
    index = ndimage.center_of_mass(sitk.GetArrayViewFromImage(mask))
    return mask.TransformContinuousIndexToPhysicalPoint([float(v) for v in index[::-1]])


def _top_of_head_centre(head: sitk.Image) -> tuple[float, float, float]:
    """Where a brain's centre should be: the centroid of the uppermost 150 mm of the head.

    How far a scan reaches down the neck says nothing about where the brain is; the crown does.
    """
    array = sitk.GetArrayFromImage(head)
    rows = np.flatnonzero(array.any(axis=(1, 2)))
    depth = max(1, round(150.0 / head.GetSpacing()[2]))
    array[: max(0, rows[-1] + 1 - depth)] = 0
    top = sitk.GetImageFromArray(array)
    top.CopyInformation(head)
    return _centre(top)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected component (faces)."""
    labels, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask with its enclosed holes filled."""
    return ndimage.binary_fill_holes(mask)
