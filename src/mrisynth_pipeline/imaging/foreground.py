"""Which voxels of a subject are foreground: a mask that came with the scans, or one that is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import ULTRASOUND
from mrisynth_pipeline.imaging.brain_extraction import brain_mask
from mrisynth_pipeline.imaging.external_masks import TOOLS, external_mask
from mrisynth_pipeline.imaging.geometry import grid_of, image_on, resample
from mrisynth_pipeline.imaging.masks import fan_mask, head_mask, stripped_mask
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.scan import Scan, read_scan

_STRIPPED_SHARE = 0.75  # a brain fills half of the tightest box around it; more non-zero voxels are a head


@dataclass(frozen=True)
class GivenMask:
    """A brain mask that came with a subject's scans.

    Args:
        path: Its file.
        scan: As read; not zero is brain.
        drawn_on: The contrast on whose voxels it lies.
    """

    path: Path
    scan: Scan
    drawn_on: str

    def carried(self, reference: sitk.Image, matrix: NDArray[np.float64]) -> sitk.Image:
        """The mask on the reference's voxels, uint8.

        Args:
            reference: The reference scan.
            matrix: 4×4 RAS matrix from the reference's world points to those of the contrast it was drawn on.

        Raises:
            InputError: None of it lies there.
        """
        brain = sitk.Cast(sitk.NotEqual(self.scan.image, 0), sitk.sitkFloat32)
        grid = grid_of(reference)
        inside = resample(brain, grid, matrix) >= 0.5
        if not inside.any():
            raise InputError(
                self.path,
                "this brain mask holds no voxel of the reference scan",
                "Correct it, or set preprocessing.use_given_mask to false",
            )
        return image_on(inside.astype(np.uint8), grid.affine)


def read_given_mask(path: Path, volume: int | None, scans: Mapping[str, Scan], reference: str) -> GivenMask:
    """Read a brain mask that came with a subject's scans.

    Args:
        path: The file.
        volume: Which volume of a 4-D file, from 0.
        scans: The subject's contrasts as read.
        reference: Which of them the others are registered onto.

    Raises:
        InputError: It cannot be read, is empty, or lies on no contrast's voxels: nobody could say where its
            brain belongs once the contrasts are moved onto each other.
    """
    scan = read_scan(path, constant_allowed=True, volume=volume)
    remedy = "Correct it, or set preprocessing.use_given_mask to false"
    if not np.any(sitk.GetArrayViewFromImage(scan.image)):
        raise InputError(path, "this brain mask is empty", remedy)
    drawn_on = [name for name, other in scans.items() if other.native.matches(scan.native)]
    if not drawn_on:
        raise InputError(path, f"this brain mask has the voxels of none of {', '.join(scans)}", remedy)
    return GivenMask(path, scan, reference if reference in drawn_on else drawn_on[0])


def find_foreground(
    subject: str,
    images: Mapping[str, sitk.Image],
    reference: str,
    given: GivenMask | None,
    parameters: PreprocessingParameters,
    registered: bool,
) -> sitk.Image:
    """The mask in the reference's space.

    Args:
        subject: Subject identifier, for errors.
        images: Contrast → scan.
        reference: Which contrast the others are registered onto.
        given: A brain mask that came with the scans. One drawn on another contrast than the reference is of use
            only once that contrast is registered, for which the brain found by the template must do.
        parameters: What counts as foreground.
        registered: The scans share one space and are skull-stripped, or share one space and have a mask.

    Returns:
        uint8 mask whose axes are the reference's, on voxels of its own.

    Raises:
        InputError: There is no foreground, scans called skull-stripped are not, or a fan is wanted and there is no
            ultrasound, or the other way round.
    """
    if parameters.mask == "fan":
        mask = _fan(subject, images)
    elif reference == ULTRASOUND:
        raise InputError(
            subject, "no brain can be found in an ultrasound, and it has no other scan", "Set preprocessing.mask to fan"
        )
    elif registered:
        mask = _stripped(subject, images, reference, given)
    elif given is not None and given.drawn_on == reference:
        mask = given.carried(images[reference], np.eye(4))
    elif parameters.mask == "head":
        mask = head_mask(images[reference])
    elif parameters.mask in TOOLS and given is None:
        mask = external_mask(images[reference], parameters)
    else:
        mask = brain_mask(images[reference])
    if not sitk.GetArrayViewFromImage(mask).any():
        raise InputError(subject, f"no foreground was found in its {reference} scan", "Look at the scan")
    return mask


def _fan(subject: str, images: Mapping[str, sitk.Image]) -> sitk.Image:
    """The ultrasound's fan."""
    if ULTRASOUND not in images:
        problem = "has no ultrasound: preprocessing.mask=fan is where that is not zero"
        raise InputError(subject, problem, "Leave the subject out, or prepare a study without ultrasound for it")
    return fan_mask(images[ULTRASOUND])


def _stripped(subject: str, images: Mapping[str, sitk.Image], reference: str, given: GivenMask | None) -> sitk.Image:
    """What is not zero in scans of one space, and in the mask that came with them."""
    grid = grid_of(images[reference])
    stripped = stripped_mask([resample(image, grid, None, "nearest") for image in images.values()])
    if given is not None:
        stripped &= sitk.GetArrayFromImage(given.carried(images[reference], np.eye(4))) > 0
    elif stripped.mean() > _STRIPPED_SHARE:
        raise InputError(
            subject,
            f"{stripped.mean():.0%} of its voxels are not zero: these scans are not skull-stripped",
            "Set cohort.registered to false",
        )
    return image_on(stripped.astype(np.uint8), grid.affine)
