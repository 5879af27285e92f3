from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.processing import resample_from_to

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.geometry import Grid, itk_transform, resample
from mrisynth_pipeline.imaging.native import to_native
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters, RegistrationParameters
from mrisynth_pipeline.imaging.registration.standard_space import mni_template
from mrisynth_pipeline.imaging.scan import read_scan
from mrisynth_pipeline.imaging.subject import ScanSource, fingerprint, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import open_subject, write_subject

GLIOMA = ("t1", "t1c", "t2", "flair")
PARAMETERS = PreprocessingParameters(
    grid=GridParameters(size=(56, 64, 56), spacing_mm=(3, 3, 3)),
    registration=RegistrationParameters(levels_mm=(6.0, 3.0)),
)

IN_MNI = PARAMETERS.model_copy(update={"space": "mni"})


def sources(paths):
    return {name: ScanSource(path, name) for name, path in paths.items()}


@pytest.fixture(scope="module")
def prepared(heads):
    subject = heads.subjects[1]
    return subject, preprocess_subject(subject, sources(heads.scans(subject)), GLIOMA, PARAMETERS, False)


class TestFromTheScanner:
    def test_contrasts_lie_on_each_other(self, heads, prepared):
        name, subject = prepared
        points = heads.brain_points(name, "t1c")
        assert subject.reference == "t1c"
        for contrast in GLIOMA:
            true = heads.motion(name, "t1c", contrast)
            error = nib.affines.apply_affine(subject.transforms[contrast], points)
            error = np.linalg.norm(error - nib.affines.apply_affine(true, points), axis=1).mean()
            assert error < 0.6, contrast

    def test_values_are_in_the_unit_range_and_nothing_is_outside_the_mask(self, prepared):
        _, subject = prepared
        assert subject.volumes.dtype == np.float16
        assert subject.volumes.min() == 0
        assert subject.volumes.max() == 1
        assert not subject.volumes[:, ~subject.mask].any()
        assert (subject.volumes[:, subject.mask] > 0).mean() > 0.95

    def test_the_mask_is_the_brain(self, heads, prepared):
        name, subject = prepared
        grid = Grid(subject.mask.shape[::-1], subject.grid_affine)
        brain = resample(read_scan(heads.truth(name) / "brain.nii.gz").image, grid) > 0.5
        assert 2 * (brain & subject.mask).sum() / (brain.sum() + subject.mask.sum()) > 0.92

    def test_labels_lie_where_they_were_drawn(self, heads, prepared):
        name, subject = prepared
        drawn = nib.load(heads.scans(name)["seg"])
        volume = np.asarray(drawn.dataobj)
        for label in np.unique(volume)[1:]:
            centre = nib.affines.apply_affine(drawn.affine, np.argwhere(volume == label)).mean(axis=0)
            found = np.argwhere(subject.segmentation == label)[:, ::-1]
            found = nib.affines.apply_affine(subject.grid_affine, found).mean(axis=0)
            assert np.linalg.norm(found - centre) < 1.5, label
        assert set(np.unique(subject.segmentation)) == set(np.unique(volume))

    def test_quality_says_what_was_done(self, prepared):
        quality = prepared[1].quality
        for contrast in ("t1", "t2", "flair"):
            assert quality[f"information_after_{contrast}"] > quality[f"information_before_{contrast}"]
            assert quality[f"translation_mm_{contrast}"] > 0.5
        assert quality["warnings"] == ""
        assert {"seconds_read", "seconds_mask", "seconds_register", "seconds_resample"} <= set(quality)

    def test_a_label_map_without_its_contrast_is_left_out(self, heads):
        subject = heads.subjects[0]
        scans = {name: path for name, path in heads.scans(subject).items() if name in ("t2", "seg")}
        found = preprocess_subject(subject, sources(scans), GLIOMA, PARAMETERS, False)
        assert found.segmentation is None
        assert "label map" in found.quality["warnings"]
        assert found.present == (False, False, True, False)
        assert not found.volumes[[0, 1, 3]].any()
        assert found.reference == "t2"

    def test_a_label_map_that_came_with_a_transform_goes_where_it_leads(self, heads, tmp_path):
        subject = heads.subjects[0]
        paths = {name: path for name, path in heads.scans(subject).items() if name in ("t1c", "t2", "seg")}
        drawn = nib.load(paths["seg"])
        away = np.eye(4)
        away[:3, 3] = (9.0, -6.0, 3.0)
        cropped = drawn.slicer[1:]  # no contrast's voxels any more
        nib.save(nib.Nifti1Image(np.asarray(cropped.dataobj), away @ cropped.affine), tmp_path / "seg.nii.gz")
        back = tmp_path / "back.tfm"
        sitk.WriteTransform(itk_transform(np.linalg.inv(away)), str(back))
        scans = sources(paths)
        straight = preprocess_subject(subject, scans, GLIOMA, PARAMETERS, False)
        scans["t1c"] = replace(scans["t1c"], transform="identity")
        scans["seg"] = ScanSource(tmp_path / "seg.nii.gz", "", transform=str(back))
        led = preprocess_subject(subject, scans, GLIOMA, PARAMETERS, False)
        np.testing.assert_array_equal(led.segmentation, straight.segmentation)
        np.testing.assert_allclose(led.transforms["seg"], away)
        assert straight.segmentation.any()


class TestMni:
    @pytest.fixture(scope="class")
    def subject(self, heads):
        name = heads.subjects[1]
        scans = {key: path for key, path in heads.scans(name).items() if key in ("t1c", "t2", "seg")}
        return name, preprocess_subject(name, sources(scans), GLIOMA, IN_MNI, False)

    def test_the_brain_lies_on_the_templates_and_the_grid_is_everyones(self, subject, heads):
        _, found = subject
        grid = Grid(found.mask.shape[::-1], found.grid_affine)
        template = resample(mni_template()[1], grid, None, "nearest") > 0
        assert 2 * (template & found.mask).sum() / (template.sum() + found.mask.sum()) > 0.93
        assert found.quality["overlap_mni"] > 0.93
        np.testing.assert_allclose(found.grid_affine[:3, :3], np.diag([3.0, 3.0, 3.0]))
        assert found.space == "mni"
        other = heads.scans(heads.subjects[0])
        other = preprocess_subject("b", sources({"t1c": other["t1c"]}), GLIOMA, IN_MNI, False)
        np.testing.assert_array_equal(other.grid_affine, found.grid_affine)

    def test_the_way_from_contrast_to_contrast_stays_rigid_and_right(self, subject, heads):
        name, found = subject
        between = found.transforms["t2"] @ np.linalg.inv(found.transforms["t1c"])
        points, true = heads.brain_points(name, "t1c"), heads.motion(name, "t1c", "t2")
        error = nib.affines.apply_affine(between, points) - nib.affines.apply_affine(true, points)
        assert np.linalg.norm(error, axis=1).mean() < 0.6

    def test_volumes_and_labels_come_back_to_the_scanner(self, subject, heads, tmp_path):
        name, found = subject
        about = open_subject(write_subject(tmp_path / "one.safetensors", found)).metadata
        back = np.asarray(to_native(found.volumes[2].astype(np.float32), about, "t2").dataobj)
        scan = np.asarray(nib.load(heads.scans(name)["t2"]).dataobj)
        inside = back > 0.02
        assert np.corrcoef(back[inside], scan[inside])[0, 1] > 0.8
        assert np.corrcoef(back[inside], np.roll(scan, 3, axis=1)[inside])[0, 1] < 0.6
        labels = np.asarray(to_native(found.segmentation, about, "seg", "nearest").dataobj)
        drawn = np.asarray(nib.load(heads.scans(name)["seg"]).dataobj)
        assert 2 * ((labels > 0) & (drawn > 0)).sum() / ((labels > 0).sum() + (drawn > 0).sum()) > 0.75

    def test_stripped_brains_go_there_too(self, heads, tmp_path):
        name = heads.subjects[0]
        scan, brain = nib.load(heads.scans(name)["t1c"]), nib.load(heads.truth(name) / "brain.nii.gz")
        inside = resample_from_to(brain, scan, order=0)
        stripped = np.where(np.asarray(inside.dataobj) > 0, scan.get_fdata(), 0).astype(np.float32)
        nib.save(nib.Nifti1Image(stripped, scan.affine), tmp_path / "t1c.nii.gz")
        scans = sources({"t1c": tmp_path / "t1c.nii.gz"})
        found = preprocess_subject(name, scans, ("t1c",), IN_MNI, True)
        assert found.quality["overlap_mni"] > 0.93
        assert found.quality["warnings"] == ""


def test_thick_slices_come_out_isotropic(tmp_path, small):
    """3 mm slices onto 1.5 mm voxels: a ball stays a ball, slices are not repeated but interpolated."""
    x, y, z = np.indices((64, 64, 32))
    distance = np.sqrt((1.5 * (x - 31.5)) ** 2 + (1.5 * (y - 31.5)) ** 2 + (3 * (z - 15.5)) ** 2)
    values = np.where(distance < 30, 1000 - 10 * distance, 0).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.diag([1.5, 1.5, 3.0, 1.0])), tmp_path / "t1.nii.gz")
    grid = GridParameters(size=(48, 48, 48), spacing_mm=(1.5, 1.5, 1.5))
    exact = small.model_copy(update={"grid": grid, "storage": "float32"})
    found = preprocess_subject("a", sources({"t1": tmp_path / "t1.nii.gz"}), ("t1",), exact, True)
    extent = [np.flatnonzero(found.mask.any(axis=axes)).size for axes in ((1, 2), (0, 2), (0, 1))]
    assert max(extent) - min(extent) <= 2
    low, high = found.intensity["t1"]["scanner"]
    centre = found.grid_affine[:3, 3]
    where = np.argwhere(found.mask)[:, ::-1] * 1.5 + centre - [31.5 * 1.5, 31.5 * 1.5, 15.5 * 3]
    expected = np.clip((1000 - 10 * np.linalg.norm(where, axis=1) - low) / (high - low), 0, 1)
    inner = np.linalg.norm(where, axis=1) < 25  # the ball's edge is blurred by half a slice
    assert np.abs(found.volumes[0][found.mask] - expected)[inner].max() < 0.06
    changes = np.abs(np.diff(found.volumes[0][12:23], axis=0)).max(axis=(1, 2))  # below the ball's middle
    assert changes.min() > 0


class TestStripped:
    def scan(self, tmp_path, name, volume, affine=None):
        affine = np.diag([4.0, 4.0, 4.0, 1.0]) if affine is None else affine
        path = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(volume, affine), path)
        return path

    @pytest.fixture
    def ball(self):
        index = np.indices((20, 20, 20)) - 9.5
        inside = np.linalg.norm(index, axis=0) < 7
        return np.where(inside, np.random.default_rng(0).uniform(100, 1100, inside.shape), 0).astype(np.float32)

    def test_its_own_voxel_size_keeps_every_value(self, tmp_path, ball, small):
        exact = small.model_copy(update={"storage": "float32"})
        found = preprocess_subject("a", sources({"t1": self.scan(tmp_path, "t1", ball)}), ("t1",), exact, True)
        low, high = found.intensity["t1"]["scanner"]
        expected = np.where(ball > 0, np.clip((ball - low) / (high - low), 0, 1), 0).transpose(2, 1, 0)
        np.testing.assert_allclose(found.volumes[0], expected[2:18, 2:18, 2:18], atol=1e-6)
        assert found.mask.sum() == (ball > 0).sum()
        assert found.transforms["t1"].tolist() == np.eye(4).tolist()

    def test_old_label_four_becomes_three(self, tmp_path, ball, small):
        labels = np.where(ball > 800, 4, np.where(ball > 500, 2, 0)).astype(np.uint8)
        paths = {"t1": self.scan(tmp_path, "t1", ball), "seg": self.scan(tmp_path, "seg", labels)}
        found = preprocess_subject("a", sources(paths), ("t1",), small, True)
        assert (found.segmentation == 3).sum() == (labels == 4).sum()
        assert set(np.unique(found.segmentation)) == {0, 2, 3}

    def test_heads_in_a_cohort_called_stripped_are_refused(self, tmp_path, ball, small):
        paths = {"t1": self.scan(tmp_path, "t1", ball + 10)}
        with pytest.raises(InputError, match="not skull-stripped"):
            preprocess_subject("a", sources(paths), ("t1",), small, True)

    def test_no_contrast_of_the_study_is_refused(self, small):
        with pytest.raises(InputError, match="none of the contrasts"):
            preprocess_subject("a", {}, ("t1",), small, True)


def test_the_fingerprint_depends_on_what_changes_the_file(tmp_path):
    scans = sources({"t1": tmp_path / "a", "t2": tmp_path / "b"})
    known = fingerprint(scans, GLIOMA, PARAMETERS, False)
    assert known == fingerprint(dict(reversed(scans.items())), GLIOMA, PARAMETERS, False)
    assert known == fingerprint(scans, GLIOMA, PARAMETERS.model_copy(update={"workers": 5}), False)
    others = [
        fingerprint(scans, GLIOMA[::-1], PARAMETERS, False),
        fingerprint(scans, GLIOMA, PARAMETERS, True),
        fingerprint(scans, GLIOMA, PARAMETERS.model_copy(update={"mask": "head"}), False),
        fingerprint({**scans, "t2": ScanSource(tmp_path / "b", "changed")}, GLIOMA, PARAMETERS, False),
        fingerprint(scans, GLIOMA, PARAMETERS, False, {"t1": [0.0, 0.5, 1.0]}),
    ]
    assert len({known, *others}) == 6
