import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.geometry import image_on, ras_matrix
from mrisynth_pipeline.imaging.registration.transform_files import write_transforms
from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore


def turned(translation) -> np.ndarray:
    matrix = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    matrix[:3, 3] = translation
    return matrix


def made(**changes) -> Subject:
    content = {
        "subject": "one",
        "modalities": ("t1", "t2", "pd"),
        "present": (True, True, False),
        "volumes": np.zeros((3, 4, 4, 4), np.float16),
        "mask": np.ones((4, 4, 4), bool),
        "segmentation": None,
        "reference": "t1",
        "grid_affine": np.eye(4),
        "transforms": {"t1": np.eye(4), "t2": turned((5, 6, 7))},
        "intensity": {},
        "sources": {},
        "fingerprint": "abc",
    }
    return Subject(**{**content, **changes})


def test_a_file_resamples_the_contrast_onto_the_references_voxels(tmp_path):
    values = np.random.default_rng(0).uniform(1, 2, (12, 12, 12)).astype(np.float32)
    reference = image_on(values, np.eye(4))
    scan = image_on(values, turned((5, 6, 7)))  # the same head, elsewhere in its scanner
    (path,) = write_transforms(tmp_path, made())
    assert path.name == "from-t1_to-t2.tfm"
    moved = sitk.Resample(scan, reference, sitk.ReadTransform(str(path)))
    np.testing.assert_allclose(sitk.GetArrayFromImage(moved), values, atol=1e-4)


def test_in_mni_space_there_is_a_way_from_mni_and_one_from_the_reference(tmp_path):
    to_t1 = np.diag([0.9, 0.8, 0.9, 1.0])
    matrices = {"t1": to_t1, "t2": turned((5, 6, 7)) @ to_t1}
    paths = write_transforms(tmp_path, made(space="mni", transforms=matrices))
    read = {path.stem: ras_matrix(sitk.ReadTransform(str(path))) for path in paths}
    assert set(read) == {"from-mni_to-t1", "from-mni_to-t2", "from-t1_to-t2"}
    np.testing.assert_allclose(read["from-mni_to-t2"], matrices["t2"], atol=1e-12)
    np.testing.assert_allclose(read["from-t1_to-t2"], turned((5, 6, 7)), atol=1e-12)


def test_stale_files_go_and_a_failed_write_leaves_no_litter(tmp_path, monkeypatch):
    write_transforms(tmp_path, made(reference="t2"))
    write_transforms(tmp_path, made())
    assert [path.name for path in tmp_path.iterdir()] == ["from-t1_to-t2.tfm"]
    before = (tmp_path / "from-t1_to-t2.tfm").read_bytes()

    def fail(transform, path):
        raise RuntimeError("disk full")

    monkeypatch.setattr(sitk, "WriteTransform", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        write_transforms(tmp_path, made())
    assert [path.name for path in tmp_path.iterdir()] == ["from-t1_to-t2.tfm"]
    assert (tmp_path / "from-t1_to-t2.tfm").read_bytes() == before


def test_preprocessing_writes_them_and_takes_them_away_with_a_failed_subject(write_archive, small, tmp_path):
    store, manifest = SubjectStore(tmp_path / "store"), write_archive(("a", "b"))
    preprocess_cohort(manifest, store, small, ("t1", "t2"))
    for name in ("a", "b"):
        (path,) = store.transforms(name).iterdir()
        np.testing.assert_allclose(ras_matrix(sitk.ReadTransform(str(path))), np.eye(4), atol=1e-12)
    assert store.subjects() == ["a", "b"]
    broken = manifest[manifest["subject"] == "b"].iloc[0]
    nib.save(nib.Nifti1Image(np.zeros((20, 20, 20), np.float32), np.eye(4)), f"{broken.raw_dir}/{broken.path}")
    manifest.loc[manifest["subject"] == "b", "sha256"] = "e" * 64
    preprocess_cohort(manifest, store, small, ("t1", "t2"))
    assert store.transforms("a").is_dir()
    assert not store.transforms("b").exists()
