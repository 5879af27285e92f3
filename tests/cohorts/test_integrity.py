"""Every way a file can be bad that the check knows, and the sentence it says then."""

import gzip
import hashlib
import math

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.integrity import ScanCheck, check_scan, sentence

RAMP = np.arange(10 * 11 * 12, dtype=np.float32).reshape(10, 11, 12)
LABELS = frozenset({0, 1, 2, 3, 4})


def truncated_gzip(path):
    nib.save(nib.Nifti1Image(RAMP, np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-200])


def gzip_without_its_last_bytes(path):
    nib.save(nib.Nifti1Image(RAMP, np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-4])  # all voxels are there, the checksum is not


def damaged_gzip(path):
    nib.save(nib.Nifti1Image(RAMP, np.eye(4)), path)
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF  # first byte of the checksum
    path.write_bytes(bytes(content))


def short_but_complete_gzip(path):
    content = nib.Nifti1Image(RAMP, np.eye(4)).to_bytes()
    path.write_bytes(gzip.compress(content[:-100]))


def truncated_plain(path):
    path.write_bytes(nib.Nifti1Image(RAMP, np.eye(4)).to_bytes()[:-100])


def plain_named_gz(path):
    path.write_bytes(nib.Nifti1Image(RAMP, np.eye(4)).to_bytes())


def gzip_named_plain(path):
    path.write_bytes(gzip.compress(nib.Nifti1Image(RAMP, np.eye(4)).to_bytes()))


def without_codes(path):
    image = nib.Nifti1Image(RAMP, np.eye(4))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, path)


def flat_affine(path):
    image = nib.Nifti1Image(RAMP, np.eye(4))
    image.set_sform(np.diag([1.0, 1.0, 0.0, 1.0]), 1)
    nib.save(image, path)


def parallel_axes(path):
    image = nib.Nifti1Image(RAMP, np.eye(4))
    image.set_sform(np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float), 1)
    nib.save(image, path)


def nan_affine(path):
    content = bytearray(nib.Nifti1Image(RAMP, np.eye(4)).to_bytes())
    content[320:324] = np.float32(np.nan).tobytes()  # third entry of srow_z; nibabel refuses to write it
    path.write_bytes(gzip.compress(bytes(content)))


def with_nan(path):
    voxels = RAMP.copy()
    voxels[0, 0, :2], voxels[1, 1, 1] = np.nan, np.inf
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)


def rgb(path):
    voxels = np.zeros((10, 11, 12), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)


def save(voxels, affine=None):
    return lambda path: nib.save(nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine), path)


def written(content: bytes):
    return lambda path: path.write_bytes(content)


BAD_SCANS = {
    # name: (suffix, how to make it, words of the problem, words of the remedy)
    "truncated gzip": (".nii.gz", truncated_gzip, "truncated", "Download or copy it again"),
    "gzip cut behind the voxels": (".nii.gz", gzip_without_its_last_bytes, "truncated", "Download or copy"),
    "damaged gzip": (".nii.gz", damaged_gzip, "gzip stream is corrupt", "Download or copy it again"),
    "voxels missing in gzip": (".nii.gz", short_but_complete_gzip, "truncated", "Download or copy it again"),
    "voxels missing": (".nii", truncated_plain, "truncated", "Download or copy it again"),
    "zero bytes": (".nii.gz", written(b""), "empty (0 bytes)", "Download or copy it again"),
    "web page": (
        ".nii.gz",
        written(b"<!DOCTYPE html>\n<p>404"),
        "text file starting with '<!DOCTYPE",
        "Download",
    ),
    "DICOM": (".nii", written(b"\0" * 128 + b"DICM"), "not a NIfTI file", "convert it from its source"),
    "gzipped text": (".nii.gz", written(gzip.compress(b"hello" * 100)), "not a NIfTI file", "Convert it"),
    "plain named gz": (".nii.gz", plain_named_gz, "is not compressed", "Rename it to .nii"),
    "gzip named plain": (".nii", gzip_named_plain, "gzip-compressed", "Rename it to .nii.gz"),
    "4-D": (".nii.gz", save(np.zeros((10, 10, 10, 2), np.int16)), "4-D (10x10x10x2)", "Extract one volume"),
    "2-D": (".nii.gz", save(np.zeros((10, 10), np.int16)), "2-D (10x10)", "Extract one volume"),
    "few slices": (".nii.gz", save(RAMP[..., :7]), "has 7 voxels along an axis (10x11x7)", "Leave it out"),
    "NaN": (".nii.gz", with_nan, "3 of 1320 voxels are NaN or infinite", "Set them to 0"),
    "all NaN": (
        ".nii.gz",
        save(np.full_like(RAMP, np.nan)),
        "1320 of 1320 voxels are NaN",
        "leave the scan out",
    ),
    "constant": (
        ".nii.gz",
        save(np.full_like(RAMP, 7)),
        "every voxel is 7: the volume is constant",
        "Download",
    ),
    "fine voxels": (
        ".nii.gz",
        save(RAMP, np.diag([0.05, 1, 1, 1])),
        "voxels of 0.05x1x1 mm",
        "Correct the voxel",
    ),
    "coarse voxels": (
        ".nii.gz",
        save(RAMP, np.diag([1, 1, 25, 1])),
        "voxels of 1x1x25 mm",
        "Correct the voxel",
    ),
    "no sform, no qform": (".nii.gz", without_codes, "no usable header", "Convert it again from DICOM"),
    "flat affine": (".nii.gz", flat_affine, "affine cannot be inverted", "Convert it again from DICOM"),
    "parallel axes": (".nii.gz", parallel_axes, "affine cannot be inverted", "Convert it again from DICOM"),
    "NaN affine": (".nii.gz", nan_affine, "affine cannot be inverted", "Convert it again from DICOM"),
    "complex": (".nii.gz", save(RAMP.astype(np.complex64)), "has complex64 voxels", "scalar magnitude image"),
    "RGB": (".nii.gz", rgb, "RGB or structured voxels", "scalar magnitude image"),
}


@pytest.mark.parametrize(("suffix", "make", "problem", "remedy"), BAD_SCANS.values(), ids=BAD_SCANS)
def test_a_bad_scan_gets_one_sentence_with_file_problem_and_remedy(tmp_path, suffix, make, problem, remedy):
    path = tmp_path / f"IXI002-Guys-0828-T1{suffix}"
    make(path)
    check = check_scan(path)
    assert len(check.problems) == 1, check.problems
    text = check.problems[0]
    assert text.startswith(f"{path.name}: ")
    assert problem in text
    assert remedy in text
    assert "; " not in text and "\n" not in text
    assert str(tmp_path) not in text


BAD_LABEL_MAPS = {
    "unknown values": (
        RAMP.astype(np.int16) % 7,
        "unknown label values 5, 6 (known: 0, 1, 2, 3, 4)",
        "Relabel",
    ),
    "negative values": (
        -(RAMP.astype(np.int16) % 2),
        "unknown label values -1",
        "Relabel it to 0, 1, 2, 3, 4",
    ),
    "fractions": (
        RAMP % 2 / 2,
        "1 label values that are no whole numbers (such as 0.5)",
        "nearest neighbour",
    ),
    "NaN": (
        np.where(RAMP > 5, np.nan, 0.0).astype(np.float32),
        "no whole numbers (such as nan)",
        "take the label",
    ),
}


@pytest.mark.parametrize(("voxels", "problem", "remedy"), BAD_LABEL_MAPS.values(), ids=BAD_LABEL_MAPS)
def test_a_bad_label_map_names_the_offending_values(tmp_path, write_scan, voxels, problem, remedy):
    path = write_scan(tmp_path / "BraTS2021_00017_seg.nii.gz", voxels)
    (text,) = check_scan(path, label_values=LABELS).problems
    assert text.startswith(f"{path.name}: ")
    assert problem in text
    assert remedy in text


@pytest.mark.parametrize("voxels", [RAMP % 5, np.zeros_like(RAMP), (RAMP % 5).astype(np.uint8)])
def test_whole_numbered_and_empty_label_maps_are_sound(tmp_path, write_scan, voxels):
    path = write_scan(tmp_path / "BraTS2021_00017_seg.nii.gz", voxels)
    assert check_scan(path, label_values=LABELS).problems == ()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("image_class", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_sound_scan_is_described(tmp_path, write_scan, suffix, image_class):
    path = write_scan(tmp_path / f"scan{suffix}", RAMP - 20, np.diag([-0.9, -0.9, 1.25, 1]), image_class)
    check = check_scan(path)
    assert check.problems == ()
    assert check.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert check.shape == (10, 11, 12)
    assert check.spacing_mm == pytest.approx((0.9, 0.9, 1.25))
    assert check.orientation == "LPS"
    assert (check.intensity_min, check.intensity_max) == (-20, 1299)
    assert np.array(check.affine).diagonal() == pytest.approx([-0.9, -0.9, 1.25, 1])


def test_stored_slope_and_intercept_count_into_the_range(tmp_path):
    image = nib.Nifti1Image(np.arange(1000, dtype=np.int16).reshape(10, 10, 10), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "scan.nii")
    raw = nib.load(tmp_path / "scan.nii")
    check = check_scan(tmp_path / "scan.nii")
    assert (check.intensity_min, check.intensity_max) == (raw.get_fdata().min(), raw.get_fdata().max())


def test_a_trailing_axis_of_length_one_is_accepted(tmp_path, write_scan):
    check = check_scan(write_scan(tmp_path / "scan.nii.gz", RAMP[..., None]))
    assert check.problems == ()
    assert check.shape == (10, 11, 12)


def test_all_problems_of_a_file_are_said_at_once(tmp_path, write_scan):
    path = write_scan(tmp_path / "scan.nii.gz", np.zeros((4, 10, 10), np.int16), np.diag([1, 1, 25, 1]))
    assert len(check_scan(path).problems) == 3


def test_a_missing_file_and_a_broken_link_are_problems_not_crashes(tmp_path):
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "gone")
    for name in ("link.nii.gz", "never.nii.gz"):
        check = check_scan(tmp_path / name)
        assert check.sha256 == "" and math.isnan(check.intensity_min)
        assert check.problems[0].startswith(f"{name}: cannot be opened")


@pytest.mark.parametrize("seed", range(20))
def test_random_damage_to_a_header_never_raises(tmp_path, seed):
    generator = np.random.default_rng(seed)
    content = bytearray(nib.Nifti1Image(RAMP, np.eye(4)).to_bytes())
    for position in generator.integers(4, 348, 40):
        content[position] = generator.integers(256)
    path = tmp_path / "scan.nii"
    path.write_bytes(bytes(content))
    assert isinstance(check_scan(path), ScanCheck)


def test_sentences_stay_one_bounded_line_without_separator(tmp_path):
    text = sentence(tmp_path / "scan.nii", "first; second\nthird " + "x" * 1000, "Do this")
    assert text.startswith("scan.nii: first, second third")
    assert text.endswith("Do this")
    assert len(text) < 420
