import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.spatial.transform import Rotation

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.brain_extraction import brain_mask
from mrisynth_pipeline.imaging.geometry import grid_of, image_on, itk_transform
from mrisynth_pipeline.imaging.parameters import RegistrationParameters
from mrisynth_pipeline.imaging.registration.doubts import doubts
from mrisynth_pipeline.imaging.registration.search import Registration
from mrisynth_pipeline.imaging.registration.shipped import shipped_matrix
from mrisynth_pipeline.imaging.registration.starts import mirrored
from mrisynth_pipeline.imaging.scan import read_scan

LEVELS = RegistrationParameters()


@pytest.fixture(scope="module")
def prepared(heads):
    """The first patient: scans, a registration onto t1c measured inside its brain."""
    subject = heads.subjects[0]
    images = {name: read_scan(path).image for name, path in heads.scans(subject).items() if name != "seg"}
    return subject, images, Registration(images["t1c"], brain_mask(images["t1c"]), LEVELS)


def moved(image, motion):
    """The scan as a header of its own would place it."""
    return image_on(sitk.GetArrayFromImage(image), motion @ grid_of(image).affine)


def motion_about(centre, translation, rotation_vector_deg):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(rotation_vector_deg, degrees=True).as_matrix()
    motion[:3, 3] = centre + translation - motion[:3, :3] @ centre
    return motion


def mean_error_mm(found, true, points):
    return np.linalg.norm(
        nib.affines.apply_affine(found, points) - nib.affines.apply_affine(true, points), axis=1
    ).mean()


@pytest.mark.parametrize("contrast", ["t1", "t2", "flair"])
def test_known_motion_is_found_to_a_quarter_of_a_voxel(heads, prepared, contrast):
    subject, images, registration = prepared
    found = registration.align(images[contrast])
    true, points = heads.motion(subject, "t1c", contrast), heads.brain_points(subject, "t1c")
    assert mean_error_mm(np.eye(4), true, points) > 2.0  # there was something to find
    assert mean_error_mm(found.matrix, true, points) < 0.25 * 3.0
    assert found.information_after > 1.5 * found.information_before
    angle = np.degrees(np.arccos((np.trace(true[:3, :3]) - 1) / 2))
    assert found.rotation_deg == pytest.approx(angle, abs=0.5)


def test_scans_of_another_session_are_found_by_their_mass(heads, prepared):
    subject, images, registration = prepared
    away = np.eye(4)
    away[:3, 3] = (60.0, -50.0, 40.0)
    found = registration.align(moved(images["t1"], away))
    assert "more than a head moves" in doubts(found, LEVELS)[0]
    true = away @ heads.motion(subject, "t1c", "t1")
    assert mean_error_mm(found.matrix, true, heads.brain_points(subject, "t1c")) < 0.5


def test_a_scan_that_is_in_place_stays_there(heads, prepared):
    subject, images, registration = prepared
    found = registration.align(images["t1c"])
    assert mean_error_mm(found.matrix, np.eye(4), heads.brain_points(subject, "t1c")) < 0.05


def test_the_same_seed_gives_the_same_transform(prepared):
    _, images, registration = prepared
    np.testing.assert_array_equal(registration.align(images["t2"]).matrix, registration.align(images["t2"]).matrix)


def test_a_scan_without_overlap_is_no_error(prepared):
    registration = prepared[2]
    far = np.diag([1.0, 1.0, 1.0, 1.0])
    far[0, 3] = 5000.0
    found = registration.align(image_on(np.eye(20, dtype=np.float32)[None].repeat(20, 0), far))
    assert np.isfinite(found.matrix).all()
    assert found.information_before == 0.0
    assert "shares little" in doubts(found, LEVELS)[0]


def test_twenty_motions_are_found_and_none_is_doubted(heads, prepared):
    """Up to 10 mm and 10° on top of the head's own motion, with 3 mm voxels: on average a tenth of a voxel."""
    subject, images, _ = prepared
    quick = LEVELS.model_copy(update={"check_mirrored": False})
    registration = Registration(images["t1c"], brain_mask(images["t1c"]), quick)
    generator, points = np.random.default_rng(20), heads.brain_points(subject, "t1c")
    errors = []
    for number in range(20):
        contrast = ("t1", "t2", "flair")[number % 3]
        directions = generator.normal(size=(2, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        shift, turn = directions * generator.uniform(0, 10, (2, 1))
        true = heads.motion(subject, "t1c", contrast)
        away = motion_about(nib.affines.apply_affine(true, points).mean(axis=0), shift, turn)
        found = registration.align(moved(images[contrast], away))
        errors.append(mean_error_mm(found.matrix, away @ true, points))
        assert doubts(found, quick) == []
    assert max(errors) < 0.5
    assert np.mean(errors) < 0.3


class TestNothingFailsInSilence:
    def test_forty_millimetres_and_thirty_degrees_are_found_on_the_second_try(self, heads, prepared):
        subject, images, registration = prepared
        points, true = heads.brain_points(subject, "t1c"), heads.motion(subject, "t1c", "t1")
        away = motion_about(points.mean(axis=0), (25, -25, 19), (18, 15, -19))
        found = registration.align(moved(images["t1"], away))
        assert mean_error_mm(found.matrix, away @ true, points) < 0.5
        assert found.tries == 2
        assert len(doubts(found, LEVELS)) == 1
        assert "more than a head moves" in doubts(found, LEVELS)[0]

    @pytest.mark.parametrize(("axis", "contrast"), [(0, "t1"), (2, "t2")])  # the second is not found
    def test_a_head_put_upside_down_or_back_to_front_is_found_or_doubted(self, heads, prepared, axis, contrast):
        subject, images, registration = prepared
        points, true = heads.brain_points(subject, "t1c"), heads.motion(subject, "t1c", contrast)
        away = motion_about(points.mean(axis=0), np.zeros(3), 180 * np.eye(3)[axis])
        found = registration.align(moved(images[contrast], away))
        solved = mean_error_mm(found.matrix, away @ true, points) < 0.5
        assert found.tries == 2
        assert len(doubts(found, LEVELS)) >= (1 if solved else 2)

    @pytest.mark.parametrize("contrast", ["t1", "flair"])
    def test_left_and_right_swapped_is_told_not_repaired(self, prepared, contrast):
        _, images, registration = prepared
        found = registration.align(mirrored(images[contrast]))
        straight = registration.align(images[contrast])
        assert found.information_mirrored == pytest.approx(straight.information_after, rel=0.05)
        assert straight.information_mirrored < 0.5 * straight.information_after
        assert "fits better mirrored" in doubts(found, LEVELS)[0]
        assert np.linalg.det(found.matrix[:3, :3]) == pytest.approx(1.0)

    def test_another_head_and_noise_are_doubted(self, heads, prepared):
        registration = prepared[2]
        other = read_scan(heads.scans(heads.subjects[1])["t1"]).image
        noise = np.random.default_rng(0).rayleigh(100, sitk.GetArrayViewFromImage(other).shape).astype(np.float32)
        for wrong in (other, image_on(noise, grid_of(other).affine)):
            found = registration.align(wrong)
            assert doubts(found, LEVELS) != []
            assert found.tries == 2

    def test_a_scan_that_shows_half_the_brain_is_told(self, prepared):
        _, images, registration = prepared
        scan = images["t1"]
        size = scan.GetSize()
        part = sitk.RegionOfInterest(scan, (size[0], size[1] // 2, size[2]), (0, 0, 0))
        found = registration.align(part)
        assert found.overlap < 0.7
        assert any("foreground" in clause for clause in doubts(found, LEVELS))


def test_the_mirror_is_not_asked_for_where_it_is_not_wanted(heads, prepared):
    _, images, registration = prepared
    quick = LEVELS.model_copy(update={"levels_mm": (6.0,), "check_mirrored": False})
    found = Registration(registration._reference, registration._mask, quick).align(images["t1"])
    assert found.information_mirrored is None


def test_affine_finds_a_scanners_other_gradient_scale(heads, prepared):
    subject, images, registration = prepared
    points, true = heads.brain_points(subject, "t1c"), heads.motion(subject, "t1c", "t1")
    away = np.diag([1.03, 0.98, 1.02, 1.0])
    scan = moved(images["t1"], away)
    affine = LEVELS.model_copy(update={"transform": "affine"})
    found = Registration(registration._reference, registration._mask, affine).align(scan)
    assert mean_error_mm(found.matrix, away @ true, points) < 0.35
    assert found.stretch == pytest.approx(0.03, abs=0.01)
    rigid = registration.align(scan)
    assert mean_error_mm(rigid.matrix, away @ true, points) > 0.7
    assert rigid.stretch == pytest.approx(0.0, abs=1e-6)


class TestShippedTransforms:
    def write(self, path, matrix):
        sitk.WriteTransform(itk_transform(matrix), str(path))
        return str(path)

    def test_they_lead_from_the_reference_to_the_shared_space_and_back_to_the_scan(self, tmp_path):
        reference, scan = (
            motion_about(np.zeros(3), (1, 2, 3), (5, 0, 2)),
            motion_about(np.ones(3), (4, 0, 1), (0, 9, 0)),
        )
        paths = self.write(tmp_path / "a.tfm", reference), self.write(tmp_path / "b.txt", scan)
        np.testing.assert_allclose(shipped_matrix(*paths), np.linalg.inv(scan) @ reference, atol=1e-9)
        np.testing.assert_allclose(shipped_matrix("identity", paths[1]), np.linalg.inv(scan), atol=1e-9)
        np.testing.assert_allclose(shipped_matrix(paths[0], "identity"), reference, atol=1e-9)
        assert shipped_matrix("", paths[1]) is None
        assert shipped_matrix(paths[0], "") is None

    def test_a_way_of_several_files_is_walked_in_their_order(self, tmp_path):
        turn, shift = motion_about(np.zeros(3), (0, 0, 0), (0, 0, 90)), motion_about(np.zeros(3), (10, 0, 0), (0, 0, 0))
        way = self.write(tmp_path / "turn.tfm", turn), self.write(tmp_path / "shift.tfm", shift)
        there = np.linalg.inv(shipped_matrix("identity", way))
        np.testing.assert_allclose(there, shift @ turn, atol=1e-9)
        assert np.abs(there - turn @ shift).max() > 5, "the order matters"
        np.testing.assert_allclose(shipped_matrix(way, way[1]), turn, atol=1e-9)

    def test_a_good_one_is_taken_as_it_is_and_measured(self, heads, prepared):
        subject, images, registration = prepared
        true = heads.motion(subject, "t1c", "t1")
        found = registration.align(images["t1"], true)
        np.testing.assert_allclose(found.matrix, true, atol=1e-12)
        assert found.tries == 0
        assert found.information_after > 1.5 * found.information_before
        assert doubts(found, LEVELS) == []

    def test_a_bad_one_is_told_and_not_used(self, heads, prepared):
        subject, images, registration = prepared
        true = heads.motion(subject, "t1c", "t1")
        found = registration.align(images["t1"], motion_about(np.zeros(3), (30, 0, 0), (0, 0, 20)))
        assert mean_error_mm(found.matrix, true, heads.brain_points(subject, "t1c")) < 0.5
        assert "came with a transform that explains it worse" in doubts(found, LEVELS)[0]

    def test_what_is_no_linear_transform_is_refused(self, tmp_path):
        (tmp_path / "broken.tfm").write_text("not a transform")
        field = sitk.DisplacementFieldTransform(sitk.Image([4, 4, 4], sitk.sitkVectorFloat64, 3))
        sitk.WriteTransform(field, str(tmp_path / "field.tfm"))
        flat = self.write(tmp_path / "flat.tfm", np.diag([1.0, 1.0, 0.0, 1.0]))
        for path, words in (
            (tmp_path / "none.tfm", "no such transform"),
            (tmp_path / "broken.tfm", "cannot be read"),
            (tmp_path / "field.tfm", "not a linear one"),
            (flat, "cannot be inverted"),
        ):
            with pytest.raises(InputError, match=words):
                shipped_matrix("identity", str(path))
