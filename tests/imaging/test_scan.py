import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.geometry import grid_of
from mrisynth_pipeline.imaging.scan import read_scan


def save(path, voxels, affine=None, **header):
    image = nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    if header:
        image = nib.Nifti1Image(voxels, None, image.header)
        for key, value in header.items():
            image.header[key] = value
    nib.save(image, path)
    return path


def ramp(shape=(9, 10, 11)):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PSR", "LIA", "SAR"])
def test_every_orientation_becomes_ras_without_resampling(tmp_path, codes):
    upright = nib.Nifti1Image(ramp(), np.diag([1.0, 2.0, 3.0, 1.0]))
    turn = nib.orientations.ornt_transform(nib.io_orientation(upright.affine), nib.orientations.axcodes2ornt(codes))
    nib.save(upright.as_reoriented(turn), tmp_path / "scan.nii.gz")
    scan = read_scan(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(scan.image).transpose(2, 1, 0), ramp())
    np.testing.assert_allclose(grid_of(scan.image).affine, upright.affine, atol=1e-6)
    assert scan.native.size == tuple(nib.load(tmp_path / "scan.nii.gz").shape)
    assert "".join(nib.aff2axcodes(scan.native.affine)) == codes


def test_a_fourth_axis_of_one_is_dropped(tmp_path):
    scan = read_scan(save(tmp_path / "scan.nii", ramp()[..., None]))
    assert scan.image.GetSize() == (9, 10, 11)


def test_a_label_map_may_be_empty(tmp_path):
    path = save(tmp_path / "seg.nii", np.zeros((9, 9, 9), np.uint8))
    assert read_scan(path, constant_allowed=True).native.size == (9, 9, 9)


@pytest.mark.parametrize(
    ("voxels", "header", "words"),
    [
        (np.zeros((9, 9, 9), np.float32), {}, "every voxel"),
        (np.where(ramp() > 5, np.nan, 1).astype(np.float32), {}, "not finite"),
        (np.zeros((9, 9, 9, 4), np.float32), {}, "3-D"),
        (ramp((9, 9, 2)), {}, "voxels or more"),
        (ramp(), {"sform_code": 0, "qform_code": 0}, "left and right"),
    ],
)
def test_unusable_volumes_are_named(tmp_path, voxels, header, words):
    path = save(tmp_path / "scan.nii.gz", voxels, **header)
    with pytest.raises(InputError, match=words) as error:
        read_scan(path)
    assert "scan.nii.gz" in str(error.value)


@pytest.mark.parametrize("spacing", [0.001, 50.0])
def test_impossible_voxel_sizes_are_refused(tmp_path, spacing):
    with pytest.raises(InputError, match="voxel size"):
        read_scan(save(tmp_path / "scan.nii", ramp(), np.diag([spacing, 1, 1, 1])))


def test_damaged_files_are_refused(tmp_path):
    whole = save(tmp_path / "scan.nii.gz", np.random.default_rng(0).normal(size=(20, 20, 20))).read_bytes()
    cut, text = (tmp_path / f"{name}.nii.gz" for name in ("cut", "text"))
    cut.write_bytes(whole[: len(whole) // 2])
    text.write_bytes(gzip.compress(b"not an image"))
    for path in (cut, text, tmp_path / "absent.nii.gz"):
        with pytest.raises(InputError, match="cannot be read"):
            read_scan(path)
