import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.registration.transform_files import write_transforms
from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, open_subject, write_subject


def made(**changes) -> Subject:
    generator = np.random.default_rng(0)
    content = {
        "subject": "one",
        "modalities": ("t1", "t2"),
        "present": (True, False),
        "volumes": generator.uniform(size=(2, 6, 5, 4)).astype(np.float16),
        "mask": generator.uniform(size=(6, 5, 4)) > 0.5,
        "segmentation": None,
        "reference": "t1",
        "grid_affine": np.diag([2.0, 2.0, 2.0, 1.0]),
        "transforms": {"t1": np.eye(4)},
        "intensity": {"t1": {"scanner": (3.0, 900.0), "unit": (0.0, 1.0)}},
        "sources": {"t1": {"path": "t1.nii", "sha256": "0", "affine": np.eye(4).tolist(), "shape": [4, 5, 6]}},
        "fingerprint": "abc",
        "quality": {"mask_ml": 12.5},
    }
    return Subject(**{**content, **changes})


class TestRoundTrip:
    def test_everything_comes_back(self, tmp_path):
        subject = made(segmentation=np.ones((6, 5, 4), np.uint8))
        file = open_subject(write_subject(tmp_path / "one.safetensors", subject))
        np.testing.assert_array_equal(file.volumes(), subject.volumes.astype(np.float32))
        np.testing.assert_array_equal(file.mask(), subject.mask)
        np.testing.assert_array_equal(file.segmentation(), subject.segmentation)
        assert file.volumes().dtype == np.float32
        assert file.shape == (2, 6, 5, 4)
        assert file.present.tolist() == [True, False]
        assert file.metadata["modalities"] == ["t1", "t2"]
        assert file.metadata["intensity"]["t1"] == {"scanner": [3.0, 900.0], "unit": [0.0, 1.0]}
        assert file.metadata["quality"] == {"mask_ml": 12.5}

    def test_no_label_map_is_none(self, tmp_path):
        assert open_subject(write_subject(tmp_path / "one.safetensors", made())).segmentation() is None

    def test_slices_and_crops_are_those_of_the_whole(self, tmp_path):
        file = open_subject(write_subject(tmp_path / "one.safetensors", made()))
        whole = file.volumes()
        for z in range(6):
            np.testing.assert_array_equal(file.slice(z), whole[:, z])
        crop = file.crop(slice(1, 4), slice(0, 5), slice(2, 4))
        np.testing.assert_array_equal(crop, whole[:, 1:4, 0:5, 2:4])

    def test_a_file_crosses_process_borders_as_its_path(self, tmp_path):
        file = open_subject(write_subject(tmp_path / "one.safetensors", made()))
        again = pickle.loads(pickle.dumps(file))
        np.testing.assert_array_equal(again.slice(2), file.slice(2))
        assert len(pickle.dumps(file)) < 500


class TestHiding:
    @pytest.fixture
    def store(self, tmp_path) -> SubjectStore:
        store = SubjectStore(tmp_path)
        for name in ("a", "b"):
            labels = np.ones((6, 5, 4), np.uint8)
            write_subject(store.path(name), made(subject=name, present=(True, True), segmentation=labels))
        return store

    def test_a_hidden_scan_reads_as_never_made(self, store):
        whole, file = store.open("a"), store.without({"a": {"t2"}}).open("a")
        assert file.present.tolist() == [True, False]
        assert file.metadata["present"] == [True, False]
        window = (slice(1, 4), slice(0, 5), slice(2, 4))
        for seen, real in (
            (file.volumes(), whole.volumes()),
            (file.slice(2), whole.slice(2)),
            (file.crop(*window), whole.crop(*window)),
        ):
            assert real[1].any()
            assert not seen[1].any()
            np.testing.assert_array_equal(seen[0], real[0])
        np.testing.assert_array_equal(file.mask(), whole.mask())
        np.testing.assert_array_equal(file.segmentation(), whole.segmentation())
        assert file.shape == whole.shape

    def test_other_subjects_and_the_files_are_as_they_were(self, store):
        view = store.without({"a": ["t2"]})
        assert view.open("b").present.all()
        assert store.open("a").present.all()
        assert store.open("a").volumes()[1].any()
        assert view.subjects() == store.subjects()
        assert view.done("a", "abc")

    def test_views_add_up_and_cross_process_borders(self, store):
        view = pickle.loads(pickle.dumps(store.without({"a": {"t2"}}).without({"b": {"t1"}, "a": set()})))
        assert view.open("a").present.tolist() == [True, False]
        file = pickle.loads(pickle.dumps(view.open("b")))
        assert file.present.tolist() == [False, True]
        assert not file.slice(1)[0].any()
        assert len({view, store}) == 2  # frozen: may be a key

    def test_a_contrast_it_does_not_have(self, store):
        with pytest.raises(InputError, match=r"a\.safetensors.*no pd to hide.*t1, t2"):
            store.without({"a": {"pd"}}).open("a")


class TestWriting:
    def test_a_failed_write_leaves_the_old_file_and_no_litter(self, tmp_path, monkeypatch):
        path = write_subject(tmp_path / "one.safetensors", made())
        before = path.read_bytes()

        def fail(*args, **kwargs):
            raise OSError("disk full")

        monkeypatch.setattr("mrisynth_pipeline.imaging.subject_file.save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            write_subject(path, made(fingerprint="new"))
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["one.safetensors"]


class TestDamage:
    @pytest.mark.parametrize("keep", [0, 5, 200, -10])
    def test_a_truncated_file_is_refused(self, tmp_path, keep):
        path = write_subject(tmp_path / "one.safetensors", made())
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match=r"one\.safetensors.*not a whole subject file"):
            open_subject(path)

    def test_another_layout_is_refused(self, tmp_path):
        path = tmp_path / "one.safetensors"
        write_subject(path, made())
        volumes = np.zeros((2, 6, 5, 4), np.float16)
        tensors = {"volumes": volumes, "mask": np.zeros((6, 5, 4), np.uint8)}
        about = open_subject(path).metadata
        for wrong, words in (
            ({**about, "format": 99}, "layout 99"),
            ({key: value for key, value in about.items() if key != "transforms"}, "transforms"),
            ({**about, "modalities": ["t1"]}, "do not fit"),
        ):
            save_file(tensors, path, metadata={"subject": json.dumps(wrong)})
            with pytest.raises(InputError, match=words):
                open_subject(path)
        save_file(tensors, path)
        with pytest.raises(InputError, match="not a whole"):
            open_subject(path)

    def test_a_missing_file_says_what_to_do(self, tmp_path):
        with pytest.raises(InputError, match="Run the preprocessing"):
            open_subject(tmp_path / "none.safetensors")


class TestStore:
    def test_done_means_sound_and_of_this_fingerprint(self, tmp_path):
        store = SubjectStore(tmp_path)
        assert not store.done("one", "abc")
        write_subject(store.path("one"), made())
        assert store.done("one", "abc")
        assert not store.done("one", "other")
        store.path("one").write_bytes(b"damaged")
        assert not store.done("one", "abc")

    def test_it_lists_its_subjects(self, tmp_path):
        store = SubjectStore(tmp_path / "new")
        assert store.subjects() == []
        for name in ("b", "a"):
            write_subject(store.path(name), made(subject=name))
        assert store.subjects() == ["a", "b"]

    def test_removing_a_subject_leaves_the_others(self, tmp_path):
        store = SubjectStore(tmp_path)
        for name in ("a", "b"):
            write_subject(store.path(name), made(subject=name))
            write_transforms(store.transforms(name), made(subject=name))
        store.remove("a")
        assert store.subjects() == ["b"]
        assert [path.name for path in (tmp_path / "transforms").iterdir()] == ["b"]

    @pytest.mark.parametrize("name", ["", "../escape", "a/b"])
    def test_names_cannot_leave_the_folder(self, tmp_path, name):
        with pytest.raises(InputError, match="file name"):
            SubjectStore(tmp_path).path(name)
