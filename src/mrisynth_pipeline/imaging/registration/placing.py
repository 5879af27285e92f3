"""Where every contrast of a subject lies: shipped with the scans or registered, and for ultrasound never by intensity.

Mutual information finds MR in MR. Between MR and ultrasound it is not dependable: brightness there is a matter of
interfaces, angles and shadows, not of tissue alone (hence measures made for it, such as LC2: Wein et al., MICCAI 2013).
That it works on the phantom, whose speckle follows the tissue maps of its MR, is no evidence. So an MR scan reaches the
ultrasound by the transform that came with it, or through another MR scan of the subject that has one.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.modalities import ULTRASOUND
from mrisynth_pipeline.imaging.brain_extraction import brain_mask
from mrisynth_pipeline.imaging.geometry import grid_of, shrink_to
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.registration.doubts import Alignment
from mrisynth_pipeline.imaging.registration.search import Registration
from mrisynth_pipeline.imaging.registration.shipped import Way, shipped_matrix

_COARSE_MM = 2.0  # growing a mask of fine voxels by millimetres takes minutes
_OVERLAP_POINTS = 5_000
_BY_HEADER = (
    "came with no transform to the ultrasound, and the two are not registered by their intensities: it lies where its "
    "header puts it, which is doubtful"
)

Placing = tuple[dict[str, Alignment], dict[str, NDArray[np.float64]]]
"""Contrast → what was found (all but the reference), and contrast → 4×4 RAS matrix from reference world points to the
scan's (all)."""


def place_scans(
    images: Mapping[str, sitk.Image],
    ways: Mapping[str, Way],
    reference: str,
    foreground: sitk.Image,
    parameters: PreprocessingParameters,
) -> Placing:
    """Find how the reference's points lie in every scan of a subject that is not registered already.

    Args:
        images: Contrast → scan, RAS+ axes.
        ways: Contrast → transforms that came with it.
        reference: The contrast whose space is kept.
        foreground: uint8, in the reference's space: its brain or, of an ultrasound, its fan.
        parameters: How MR is registered onto MR.

    Raises:
        InputError: A transform cannot be read.
    """
    if reference == ULTRASOUND:
        return _onto_ultrasound(images, ways, foreground, parameters)
    others = {name: image for name, image in images.items() if name != reference}
    shipped = {name: shipped_matrix(ways[reference], ways[name]) for name in others}
    alignments = {}
    if others.keys() - {ULTRASOUND}:
        registration = Registration(images[reference], shrink_to(foreground, _COARSE_MM), parameters.registration)
    for name, image in others.items():
        if name == ULTRASOUND:
            alignments[name] = _unmeasured(image, foreground, shipped[name])
        else:
            alignments[name] = registration.align(image, shipped[name])
    return alignments, {reference: np.eye(4)} | {name: found.matrix for name, found in alignments.items()}


def _onto_ultrasound(
    images: Mapping[str, sitk.Image], ways: Mapping[str, Way], fan: sitk.Image, parameters: PreprocessingParameters
) -> Placing:
    """MR scans by their transforms; those without one are registered onto an MR scan that is placed already.

    What is said about these (mutual information, motion) is about the two MR scans.
    """
    others = [name for name in images if name != ULTRASOUND]
    shipped = {name: shipped_matrix(ways[ULTRASOUND], ways[name]) for name in others}
    led = [name for name in others if shipped[name] is not None] or others[:1]
    alignments = {name: _unmeasured(images[name], fan, shipped[name]) for name in led}
    matrices = {ULTRASOUND: np.eye(4)} | {name: found.matrix for name, found in alignments.items()}
    left = [name for name in others if name not in led]
    if left:
        known = parameters.reference_preference
        hub = min(led, key=lambda name: known.index(name) if name in known else len(known))
        registration = Registration(
            images[hub], shrink_to(brain_mask(images[hub]), _COARSE_MM), parameters.registration
        )
        for name in left:
            alignments[name] = registration.align(images[name], shipped_matrix(ways[hub], ways[name]))
            matrices[name] = alignments[name].matrix @ matrices[hub]
            if shipped[hub] is None:  # two doubts
                note = "; ".join(
                    filter(None, [alignments[name].note, f"follows {hub}, which lies by its header alone"])
                )
                alignments[name] = replace(alignments[name], note=note)
    return alignments, matrices


def _unmeasured(scan: sitk.Image, foreground: sitk.Image, shipped: NDArray | None) -> Alignment:
    """A scan where its transform, or without one its header, puts it."""
    mask = grid_of(foreground)
    index = np.argwhere(sitk.GetArrayViewFromImage(foreground))[:, ::-1]
    index = index[:: max(1, len(index) // _OVERLAP_POINTS)]
    points = index @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    matrix = np.eye(4) if shipped is None else shipped
    to_voxel = np.linalg.inv(grid_of(scan).affine) @ matrix
    voxels = np.rint(points @ to_voxel[:3, :3].T + to_voxel[:3, 3])
    seen = ((voxels >= 0) & (voxels < scan.GetSize())).all(axis=1)
    return Alignment(
        matrix=matrix,
        information_before=None,
        information_after=None,
        information_mirrored=None,
        overlap=float(seen.mean()),
        centre=points.mean(axis=0),
        tries=0,
        note=_BY_HEADER if shipped is None else "",
    )
