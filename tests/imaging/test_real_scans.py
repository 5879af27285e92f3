"""Real patients, where a copy is at hand: MRISYNTH_REAL_DATA names the folder with ``ms_bids`` and ``brats2021``."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.imaging.geometry import ras_matrix
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject

ROOT = os.environ.get("MRISYNTH_REAL_DATA")
pytestmark = pytest.mark.skipif(ROOT is None, reason="MRISYNTH_REAL_DATA is not set: no real scans to try")


@pytest.mark.parametrize("patient", ["sub-raw03", "sub-raw12"])
def test_thick_slices_as_from_the_scanner_agree_with_the_published_transforms(patient):
    folder = Path(ROOT) / "ms_bids" / patient / "anat"
    names = {"t1": "T1w", "t2": "T2w", "flair": "FLAIR"}
    scans = {name: ScanSource(folder / f"{patient}_{suffix}.nii.gz", "") for name, suffix in names.items()}
    parameters = PreprocessingParameters(reference_preference=("flair", "t1", "t2"))
    subject = preprocess_subject(patient, scans, ("t1", "t2", "flair"), parameters, False)
    points = nib.affines.apply_affine(subject.grid_affine, np.argwhere(subject.mask)[::500, ::-1])
    for name in ("t1", "t2"):
        path = Path(ROOT) / "ms_bids/derivatives/transforms" / patient / f"{names[name]}_to_FLAIR.txt"
        published = nib.affines.apply_affine(ras_matrix(sitk.ReadTransform(str(path))), points)
        found = nib.affines.apply_affine(subject.transforms[name], points)
        assert np.linalg.norm(found - published, axis=1).mean() < 1.0, name
    assert 1200 < subject.quality["mask_ml"] < 1900


def test_brats_at_its_own_voxel_size_is_a_crop():
    folder = Path(ROOT) / "brats2021" / "BraTS2021_01479"
    names = {"t1": "t1", "t1c": "t1ce", "seg": "seg"}
    scans = {name: ScanSource(folder / f"{folder.name}_{suffix}.nii.gz", "") for name, suffix in names.items()}
    grid = GridParameters(size=(160, 192, 160), spacing_mm=(1, 1, 1))
    subject = preprocess_subject("a", scans, ("t1", "t1c"), PreprocessingParameters(grid=grid), True)
    raw = nib.as_closest_canonical(nib.load(scans["t1"].path)).get_fdata(dtype=np.float32)
    labels = np.asarray(nib.load(scans["seg"].path).dataobj)
    assert (subject.segmentation == 3).sum() == (labels == 4).sum() > 0
    low, high = subject.intensity["t1"]["scanner"]
    first = np.rint(np.linalg.inv(nib.as_closest_canonical(nib.load(scans["t1"].path)).affine) @ subject.grid_affine)
    x, y, z = np.maximum(first[:3, 3].astype(int), 0)
    dx, dy, dz = np.maximum(-first[:3, 3].astype(int), 0)
    cropped = raw[x : x + 160 - dx, y : y + 192 - dy, z : z + 160 - dz].transpose(2, 1, 0)
    back = subject.volumes[0].astype(np.float32)[dz:, dy:, dx:]
    back = back[: cropped.shape[0], : cropped.shape[1], : cropped.shape[2]]
    inside = (cropped > low) & (cropped < high)
    assert np.abs(back[inside] * (high - low) + low - cropped[inside]).max() < 0.001 * (high - low)
