"""Opening a scan file, whatever its format: the one place where the project meets NIfTI, NRRD and 4-D files."""

from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def open_volume(path: Path, volume: int | None = None) -> nib.Nifti1Image:
    """Open a scan as a NIfTI image in memory or on disk; voxels of NIfTI files are read only when asked for.

    Args:
        path: A NIfTI file (``.nii``, ``.nii.gz``) or an NRRD file (``.nrrd``).
        volume: Which volume of a 4-D file, from 0.

    Returns:
        The image; of a 4-D file the chosen volume. NRRD says in words where its voxels lie: the image then has an
        sform.

    Raises:
        ValueError: The file has no such volume, or says nothing about where its voxels lie.
        Exception: Whatever the library raises for a file it cannot read.
    """
    image = _open_nrrd(path) if path.name.endswith(".nrrd") else nib.load(path)
    if volume is None:
        return image
    if len(image.shape) != 4 or volume >= image.shape[3]:
        shape = "x".join(map(str, image.shape))
        raise ValueError(f"is {shape}: there is no volume number {volume + 1} along a fourth axis")
    return image.slicer[..., volume]


def _open_nrrd(path: Path) -> nib.Nifti1Image:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    placed = reader.HasMetaDataKey("NRRD_space")
    image = reader.Execute()
    affine = np.eye(4)
    if image.GetDimension() == 3:  # others are refused for their shape
        affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
        affine[:3, 3] = image.GetOrigin()
    voxels = sitk.GetArrayFromImage(image)
    nifti = nib.Nifti1Image(voxels.T, _RAS_FROM_LPS @ affine)
    nifti.set_sform(nifti.affine, code=1 if placed else 0)
    nifti.set_qform(None, code=0)
    return nifti
