import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.native import axial_window, contrast_to_native, to_native
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import open_subject, write_subject


def smooth_brain() -> np.ndarray:
    """A skull-stripped ball with slowly varying values between 300 and 900, [x, y, z]."""
    x, y, z = np.indices((24, 24, 24)) - 11.5
    values = 600 + 20 * x + 15 * np.sin(y / 3) - 5 * z
    return np.where(x**2 + y**2 + z**2 < 50, values, 0).astype(np.float32)


@pytest.fixture
def subject(tmp_path, small):
    """t1 as left-posterior-superior, t2 the same head moved by a known motion; registered by their headers."""
    volume, affine = smooth_brain(), np.diag([4.0, 4.0, 4.0, 1.0])
    upright = nib.Nifti1Image(volume, affine)
    lps = nib.orientations.axcodes2ornt("LPS")
    nib.save(
        upright.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), lps)), tmp_path / "t1.nii"
    )
    scans = {"t1": ScanSource(tmp_path / "t1.nii", "")}
    prepared = preprocess_subject("a", scans, ("t1", "t2"), small.model_copy(update={"storage": "float32"}), True)
    return open_subject(write_subject(tmp_path / "a.safetensors", prepared))


def test_there_and_back_is_below_one_per_cent(subject, tmp_path):
    native = contrast_to_native(subject.volumes()[0], subject.mask(), subject.metadata, "t1")
    original = nib.load(tmp_path / "t1.nii")
    assert native.shape == original.shape
    np.testing.assert_allclose(native.affine, original.affine)
    before, after = np.asarray(original.dataobj), np.asarray(native.dataobj)
    low, high = subject.metadata["intensity"]["t1"]["scanner"]
    unclipped = (before > low) & (before < high)
    assert unclipped.mean() > 0.1
    assert (np.abs(after - before)[unclipped] / before[unclipped]).max() < 0.01
    assert not after[before == 0].any()


def test_an_imputed_contrast_takes_the_references_voxels_and_stays_in_the_unit_range(subject, tmp_path):
    native = contrast_to_native(subject.volumes()[0], subject.mask(), subject.metadata, "t2")
    assert native.shape == nib.load(tmp_path / "t1.nii").shape
    assert 0 <= np.asarray(native.dataobj).min() <= np.asarray(native.dataobj).max() <= 1


def test_a_moved_scan_gets_its_voxels_back_where_its_tissue_is(subject):
    about = dict(subject.metadata)
    moved = np.eye(4)
    moved[:3, 3] = (8.0, -4.0, 12.0)  # whole voxels: the tissue of reference point p lies at p + shift
    about["transforms"] = {**about["transforms"], "t2": moved.tolist()}
    about["sources"] = {**about["sources"], "t2": about["sources"]["t1"]}
    in_reference = np.asarray(to_native(subject.volumes()[0], about, "t1").dataobj)
    in_scan = np.asarray(to_native(subject.volumes()[0], about, "t2").dataobj)
    # LPS voxels: +8 mm right is 2 voxels back along the first axis, −4 mm is 1 on along the second.
    np.testing.assert_allclose(in_scan, np.roll(in_reference, (-2, 1, 3), axis=(0, 1, 2)), atol=1e-5)


def test_masks_keep_their_values(subject):
    mask = to_native(subject.mask(), subject.metadata, interpolation="nearest")
    assert mask.get_data_dtype() == np.uint8
    assert np.asarray(mask.dataobj).sum() == subject.mask().sum()


def test_a_space_that_does_not_exist_is_named(subject):
    with pytest.raises(InputError, match=r"flair.*Choose one of: t1"):
        to_native(subject.volumes()[0], subject.metadata, "flair")


class TestAxialWindow:
    ABOUT = {  # noqa: RUF012
        "subject": "a",
        "reference": "t2",
        "transforms": {},
        "sources": {"t2": {"affine": np.diag([-1.0, -1, 2, 1]).tolist(), "shape": [20, 20, 30]}},
        "grid_affine": np.diag([1.0, 1, 1, 1]).tolist(),
    }

    @pytest.mark.parametrize(
        ("grid_z_mm", "offset_mm", "expected"),
        [
            (2.0, 0.0, (10, 19)),  # the grid is the scan's: the same slices
            (2.0, -8.0, (14, 23)),  # it starts four slices lower
            (1.0, 0.0, (20, 38)),  # twice as fine: all slices whose centre lies inside the window
            (4.0, 0.0, (5, 9)),
        ],
    )
    def test_slices_of_the_scan_become_slices_of_the_grid(self, grid_z_mm, offset_mm, expected):
        affine = np.diag([1.0, 1, grid_z_mm, 1])
        affine[2, 3] = offset_mm
        about = self.ABOUT | {"grid_affine": affine.tolist()}
        assert axial_window(about, 60, 10, 19) == expected

    def test_a_scan_stored_from_the_top_counts_from_the_top(self):
        affine = np.diag([1.0, 1, -2, 1])
        affine[2, 3] = 58  # slice 29 is the lowest, at 0 mm
        about = self.ABOUT | {"sources": {"t2": {"affine": affine.tolist(), "shape": [20, 20, 30]}}}
        assert axial_window(about | {"grid_affine": np.diag([1.0, 1, 2, 1]).tolist()}, 30, 0, 4) == (25, 29)

    def test_a_sagittal_scan_counts_along_its_own_axis_from_foot_to_head(self):
        sagittal = np.array([[0, 0, 1.2, 0], [1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
        about = self.ABOUT | {"sources": {"t2": {"affine": sagittal.tolist(), "shape": [40, 50, 20]}}}
        assert axial_window(about, 50, 10, 19) == (10, 19)

    def test_a_window_is_cut_to_the_grid(self):
        about = self.ABOUT | {"grid_affine": np.diag([1.0, 1, 2, 1]).tolist()}
        assert axial_window(about, 15, 10, 19) == (10, 14)
