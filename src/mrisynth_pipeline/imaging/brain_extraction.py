"""The brain inside a head, for any contrast, by affine registration with the MNI152 template.

The template (ICBM 2009a) ships skull-stripped inside the nilearn package; nothing is downloaded. A brain
without a skull says little about where the brain ends, so shells are laid around it: bone, scalp, air, each
with a value of its own. Mutual information asks only that what is alike in one image is alike in the other,
so the shells find dark bone between cerebrospinal fluid and bright fat in T1, T2, PD and FLAIR alike.

The fixed image is the scan, not the template: were the samples drawn in template space, a template blown up
beyond the head would see a richer histogram and score better. Over the fixed head it cannot.
"""

from functools import lru_cache

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from scipy import ndimage

from mrisynth_pipeline.imaging.geometry import centre_of_mass, grid_of, image_on, shrink_to
from mrisynth_pipeline.imaging.masks import head_mask, largest_component
from mrisynth_pipeline.imaging.registration.pyramid import Stage, fit_in_stages
from mrisynth_pipeline.imaging.threads import one_itk_thread

_TEMPLATE_MM = 4
_PADDING_MM = 48  # room for the air around the head
_BRAIN_THRESHOLD = 0.1  # of the template's maximum; includes the fluid in the sulci
# Outer edge in mm from the brain, and value (tissue has 0 to 1). Bone and scalp vary between people and
# over the head; the fit needs them only roughly.
_SHELLS = ((4.0, -0.35), (12.0, -0.7), (np.inf, -1.0))
_HEAD_DEPTH_MM = 170.0  # from the crown down: brain and skull base, no neck
_AIR_MARGIN_MM = 8.0
_FLUID_MARGIN_MM = 1.0  # the mask errs outwards: a sliver of fluid does less harm than a cut cortex
_CLIP_PERCENTILE = 98.0
_STAGES = (
    Stage(affine=False, voxel_mm=8.0, blur_mm=6.0, samples=8_000, step_mm=4.0),
    Stage(affine=False, voxel_mm=4.0, blur_mm=3.0, samples=10_000, step_mm=1.0),
    Stage(affine=True, voxel_mm=4.0, blur_mm=2.0, samples=15_000, step_mm=1.0),
)


@one_itk_thread()
def brain_mask(image: sitk.Image, seed: int = 0, max_iterations: int = 100) -> sitk.Image:
    """The brain with the fluid around it.

    Args:
        image: A head scan of any contrast, RAS+ axes, not skull-stripped.
        seed: Seed of the metric's sampling.
        max_iterations: Optimiser steps per stage at most.

    Returns:
        uint8 mask on the scan averaged to about 2 mm voxels.
    """
    head = head_mask(image)
    crown = _upper_part(head, _HEAD_DEPTH_MM)
    domain = sitk.BinaryDilate(crown, [max(1, round(_AIR_MARGIN_MM / mm)) for mm in crown.GetSpacing()])
    distance, centre = _template()[1:]
    head_centre = np.asarray(centre_of_mass(_upper_part(head, 150.0)))
    start = sitk.Similarity3DTransform()
    start.SetCenter(head_centre.tolist())
    start.SetTranslation((np.asarray(centre) - head_centre).tolist())

    def clipped_at(voxel_mm: float) -> sitk.Image:
        coarse = shrink_to(image, voxel_mm)
        values = sitk.GetArrayViewFromImage(coarse)
        top = float(np.percentile(values[values > 0], _CLIP_PERCENTILE))
        return sitk.Clamp(coarse, sitk.sitkFloat32, 0.0, top)

    transform = fit_in_stages(_STAGES, start, clipped_at, _blurred_template, domain, seed, max_iterations)
    grid = shrink_to(image, 2.0)
    carried = sitk.Resample(distance, grid, transform, sitk.sitkLinear, 100.0)
    mask = sitk.GetArrayViewFromImage(carried) < _FLUID_MARGIN_MM
    return image_on(largest_component(mask).astype(np.uint8), grid_of(grid).affine)


@lru_cache(maxsize=1)
def _template() -> tuple[sitk.Image, sitk.Image, tuple[float, float, float]]:
    """The template in its shells, the signed distance to its brain's edge in mm, and the brain's centre."""
    from nilearn.datasets import load_mni152_template  # takes a second to import: only where it is needed

    nifti = load_mni152_template(resolution=_TEMPLATE_MM)
    pad = _PADDING_MM // _TEMPLATE_MM
    values = np.pad(nifti.get_fdata(dtype=np.float32).transpose(2, 1, 0), pad)
    affine = nifti.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [pad, pad, pad]
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(values > _BRAIN_THRESHOLD))
    half = _TEMPLATE_MM / 2  # distances run between voxel centres, the edge between them
    outside = ndimage.distance_transform_edt(~brain) * _TEMPLATE_MM - half
    inside = ndimage.distance_transform_edt(brain) * _TEMPLATE_MM - half
    lower = 0.0
    for upper, value in _SHELLS:
        values[~brain & (outside >= lower) & (outside < upper)] = value
        lower = upper
    distance = np.where(brain, -inside, outside).astype(np.float32)
    centre = centre_of_mass(image_on(brain.astype(np.uint8), affine))
    return image_on(values, affine), image_on(distance, affine), centre


@lru_cache(maxsize=len(_STAGES))
def _blurred_template(blur_mm: float) -> sitk.Image:
    """The template in its shells, blurred."""
    return sitk.SmoothingRecursiveGaussian(_template()[0], blur_mm)


def _upper_part(head: sitk.Image, depth_mm: float) -> sitk.Image:
    """The head down to a depth below its crown: how much neck a scan shows must not matter."""
    array = sitk.GetArrayFromImage(head)
    crown = np.flatnonzero(array.any(axis=(1, 2)))[-1]
    array[: max(0, crown + 1 - round(depth_mm / head.GetSpacing()[2]))] = 0
    return image_on(array, grid_of(head).affine)
