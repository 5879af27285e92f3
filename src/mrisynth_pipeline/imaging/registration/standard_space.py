"""A brain's place in MNI space, by affine registration onto the ICBM 2009a template that ships inside nilearn."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import centre_of_mass, grid_of, image_on, ras_matrix, resample, shrink_to
from mrisynth_pipeline.imaging.registration.pyramid import Stage, fit_in_stages
from mrisynth_pipeline.imaging.threads import one_itk_thread

_TEMPLATE_MM = 2
_AIR_MARGIN_MM = 8.0  # the brain's edge is measured, too
_CLIP_PERCENTILE = 98.0
_STAGES = (
    Stage(affine=False, voxel_mm=8.0, blur_mm=6.0, samples=8_000, step_mm=4.0),
    Stage(affine=True, voxel_mm=4.0, blur_mm=3.0, samples=15_000, step_mm=0.4),
    Stage(affine=True, voxel_mm=2.0, blur_mm=2.0, samples=30_000, step_mm=0.1),
)


@dataclass(frozen=True)
class StandardPlace:
    """Where a brain lies in MNI space.

    Args:
        matrix: 4×4 RAS matrix from MNI world points to world points of the scan, in mm.
        overlap: Dice of the brain, brought to MNI space, and the template's brain.
    """

    matrix: NDArray[np.float64]
    overlap: float


@one_itk_thread()
def place_in_mni(image: sitk.Image, brain: sitk.Image, seed: int = 0, max_iterations: int = 100) -> StandardPlace:
    """Register a brain onto the template's (12 degrees of freedom, mutual information).

    The scan is the fixed image, as in :mod:`mrisynth_pipeline.imaging.brain_extraction`: over it the samples stay the
    same however the template is blown up. Centres of mass and volumes give the start.

    Args:
        image: A scan of any contrast, RAS+ axes, with or without its skull.
        brain: uint8 mask of its brain.
        seed: Seed of the metric's sampling.
        max_iterations: Optimiser steps per stage at most.
    """
    template, template_brain = mni_template()
    fine = shrink_to(image, _TEMPLATE_MM)
    inside = sitk.Resample(brain, fine, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    values = sitk.GetArrayViewFromImage(fine)[sitk.GetArrayViewFromImage(inside) > 0]
    stripped = sitk.Mask(
        sitk.Clamp(fine, sitk.sitkFloat32, 0.0, float(np.percentile(values, _CLIP_PERCENTILE))), inside
    )
    domain = sitk.BinaryDilate(inside, [max(1, round(_AIR_MARGIN_MM / mm)) for mm in inside.GetSpacing()])
    transform = fit_in_stages(
        _STAGES,
        _start(inside, template_brain),
        lambda voxel_mm: shrink_to(stripped, voxel_mm),
        lambda blur_mm: sitk.SmoothingRecursiveGaussian(template, blur_mm),
        domain,
        seed,
        max_iterations,
    )
    matrix = np.linalg.inv(ras_matrix(transform))
    there = resample(sitk.Cast(inside, sitk.sitkFloat32), grid_of(template), matrix) >= 0.5
    known = sitk.GetArrayViewFromImage(template_brain) > 0
    return StandardPlace(matrix, float(2 * (there & known).sum() / (there.sum() + known.sum())))


@lru_cache(maxsize=1)
def mni_template() -> tuple[sitk.Image, sitk.Image]:
    """The skull-stripped template and its brain mask (uint8), 2 mm voxels, axes right, front, up."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template  # slow to import: only where needed

    template = load_mni152_template(resolution=_TEMPLATE_MM)
    brain = load_mni152_brain_mask(resolution=_TEMPLATE_MM)
    return (
        image_on(template.get_fdata(dtype=np.float32).transpose(2, 1, 0), template.affine),
        image_on(np.asarray(brain.dataobj, dtype=np.uint8).transpose(2, 1, 0), brain.affine),
    )


def _start(brain: sitk.Image, template_brain: sitk.Image) -> sitk.Similarity3DTransform:
    """Centre of mass onto centre of mass, volume onto volume."""
    volumes = [
        np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * np.prod(mask.GetSpacing())
        for mask in (brain, template_brain)
    ]
    here, there = (np.asarray(centre_of_mass(mask)) for mask in (brain, template_brain))
    start = sitk.Similarity3DTransform()
    start.SetCenter(here.tolist())
    start.SetTranslation((there - here).tolist())
    start.SetScale(float(np.cbrt(volumes[1] / volumes[0])))
    return start
