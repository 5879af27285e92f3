"""Foreground: the head against air, what a skull-stripped archive left, or the fan of an ultrasound."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth_pipeline.imaging.geometry import grid_of, image_on, shrink_to

_GAP_MM = 3.0  # a cortical vein or the edge of a ventricle at the border of the fan


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
    return image_on(_filled(largest_component(foreground)).astype(np.uint8), grid_of(coarse).affine)


def stripped_mask(volumes: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Union of the non-zero voxels of skull-stripped, co-registered contrasts: largest component, filled.

    Args:
        volumes: Scanner values ``[z, y, x]`` on one grid. Small negative values, which interpolation leaves
            around the brain, count as background.
    """
    union = np.zeros(volumes[0].shape, dtype=bool)
    for volume in volumes:
        union |= volume > 0
    return _filled(largest_component(union))


def fan_mask(image: sitk.Image) -> sitk.Image:
    """Where an ultrasound was insonified: not zero, largest component, holes filled.

    Fluid may be black to the last voxel. Where such black touches the fan's border it is no hole, so gaps of up to
    three millimetres are closed first.

    Args:
        image: A reconstructed sweep, 0 outside the fan, RAS+ axes.

    Returns:
        uint8 mask on the scan's voxels.
    """
    radius = [max(1, round(_GAP_MM / 2 / spacing)) for spacing in image.GetSpacing()]
    seen = sitk.ConstantPad(sitk.Greater(image, 0), radius, radius, 0)
    closed = sitk.GetArrayFromImage(sitk.BinaryMorphologicalClosing(seen, radius, sitk.sitkBall)) > 0
    inner = tuple(slice(width, -width) for width in reversed(radius))
    return image_on(_filled(largest_component(closed[inner])).astype(np.uint8), grid_of(image).affine)


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
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
