"""A subject's transforms as ITK files, for other tools."""

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import itk_transform
from mrisynth_pipeline.imaging.subject_file import Subject

MNI = "mni"


def write_transforms(directory: str | Path, subject: Subject) -> list[Path]:
    """Write ``from-<frame>_to-<contrast>.tfm`` for every contrast; files of an earlier run are replaced.

    Each maps points of the frame (the reference's world, or MNI space) to points of the contrast's world, both
    in ITK's LPS mm. As resampling asks for every output point where it lies in the input, this is the transform
    that brings the contrast's file onto the frame's voxels: ``sitk.Resample(contrast, reference, transform)``,
    or ``antsApplyTransforms -i contrast -r reference -t file``.

    Args:
        directory: The subject's own folder; made if needed.
        subject: Whose transforms. In native space the frame is the reference; in MNI space there is one set of
            files from the reference and one from ``mni``.

    Returns:
        The files, sorted; each appears whole or not at all.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, matrix in sorted(_named(subject).items()):
        path = directory / f"{name}.tfm"
        unfinished = directory / f".{os.getpid()}.{name}.tfm"  # ITK takes the format from the suffix
        try:
            sitk.WriteTransform(itk_transform(matrix), str(unfinished))
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        written.append(path)
    for stale in set(directory.glob("*.tfm")) - set(written):
        stale.unlink()
    return written


def _named(subject: Subject) -> dict[str, NDArray[np.float64]]:
    """File stem → 4×4 RAS matrix."""
    present = [name for name, there in zip(subject.modalities, subject.present, strict=True) if there]
    to_reference = np.linalg.inv(subject.transforms[subject.reference])
    others = [name for name in present if name != subject.reference]
    named = {f"from-{subject.reference}_to-{name}": subject.transforms[name] @ to_reference for name in others}
    if subject.space == MNI:
        named |= {f"from-{MNI}_to-{name}": subject.transforms[name] for name in present}
    return named
