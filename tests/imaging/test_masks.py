import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.imaging.brain_extraction import brain_mask
from mrisynth_pipeline.imaging.geometry import grid_of, image_on, resample
from mrisynth_pipeline.imaging.masks import head_mask, stripped_mask
from mrisynth_pipeline.imaging.scan import read_scan


def ball(radius, shape=(30, 30, 30)):
    index = np.indices(shape) - (np.asarray(shape)[:, None, None, None] - 1) / 2
    return np.linalg.norm(index, axis=0) < radius


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_stripped_mask_is_the_filled_union_without_specks_and_negatives():
    brain, ventricle, lesion = ball(10), ball(3), np.zeros((30, 30, 30), bool)
    lesion[15, 15, 25:28] = True  # seen in one contrast only, beyond the other's edge
    first = np.where(brain & ~ventricle, 100.0, -0.5).astype(np.float32)
    second = np.where(brain & ~ventricle | lesion, 50.0, 0.0).astype(np.float32)
    second[1, 1, 1] = 9.0
    expected = brain | lesion
    np.testing.assert_array_equal(stripped_mask([first, second]), expected)


def test_head_mask_finds_the_head_in_noise():
    head = ball(11)
    noisy = np.abs(np.random.default_rng(0).normal(0, 8, head.shape)) + np.where(head, 100.0, 0.0)
    noisy[ball(4)] = 5.0  # a dark cavity belongs to the head
    mask = head_mask(image_on(noisy.astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0])))
    assert dice(sitk.GetArrayFromImage(mask) > 0, head) > 0.97


@pytest.mark.parametrize("contrast", ["t1c", "t2", "flair"])
def test_brain_mask_finds_the_brain_whatever_the_contrast(heads, contrast):
    subject = heads.subjects[0]
    mask = brain_mask(read_scan(heads.scans(subject)[contrast]).image)
    truth = read_scan(heads.truth(subject) / "brain.nii.gz").image
    to_reference = heads.motion(subject, contrast, "t1c")
    expected = resample(truth, grid_of(mask), to_reference) > 0.5
    found = sitk.GetArrayFromImage(mask) > 0
    assert dice(found, expected) > 0.90
    assert (found & expected).sum() / expected.sum() > 0.95


def test_brain_mask_does_not_depend_on_how_much_neck_is_seen_nor_on_the_run(heads):
    image = read_scan(heads.scans(heads.subjects[0])["t1c"]).image
    whole = brain_mask(image)
    size = image.GetSize()
    without_neck = sitk.RegionOfInterest(image, [size[0], size[1], size[2] - 12], [0, 0, 12])
    short = resample(brain_mask(without_neck), grid_of(whole), None, "nearest") > 0
    whole = sitk.GetArrayFromImage(whole) > 0
    assert dice(short, whole) > 0.92
    np.testing.assert_array_equal(sitk.GetArrayFromImage(brain_mask(image)) > 0, whole)
