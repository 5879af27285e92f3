import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.cohort import INDEX_COLUMNS, preprocess_cohort
from mrisynth_pipeline.imaging.subject_file import SubjectStore

CONTRASTS = ("t1", "t2")


@pytest.fixture
def store(tmp_path):
    return SubjectStore(tmp_path / "store")


def run(manifest, store, parameters):
    return preprocess_cohort(manifest, store, parameters, CONTRASTS)


def damage(manifest, subject, contrast="t1"):
    row = manifest[(manifest["subject"] == subject) & (manifest["modality"] == contrast)].iloc[0]
    path = f"{row.raw_dir}/{row.path}"
    with open(path, "r+b") as file:  # noqa: PTH123
        file.truncate(100)


class TestIndex:
    def test_one_row_and_one_file_per_subject(self, write_archive, store, small):
        index = run(write_archive(), store, small)
        assert index["subject"].tolist() == ["a", "b", "c"]
        assert index.columns[: len(INDEX_COLUMNS)].tolist() == list(INDEX_COLUMNS)
        assert (index["status"] == "done").all()
        for row in index.itertuples():
            file = store.open(row.subject)
            assert file.metadata["fingerprint"] == row.fingerprint
            assert store.directory / row.file == store.path(row.subject)
            assert file.present.all()
            assert row.seconds > 0
            assert row.mask_ml > 0

    def test_refused_scans_are_missing_contrasts(self, write_archive, store, small):
        manifest = write_archive()
        manifest.loc[(manifest["subject"] == "b") & (manifest["modality"] == "t2"), "problems"] = "blurred"
        manifest.loc[manifest["subject"] == "c", "problems"] = "blurred"
        stranger = {"subject": "", "modality": "unrecognised", "problems": "odd name"}
        index = run(pd.concat([manifest, pd.DataFrame([stranger])]), store, small)
        assert index["status"].tolist() == ["done", "done", "failed"]
        assert "no usable scan" in index["reason"].iloc[2]
        file = store.open("b")
        assert file.present.tolist() == [True, False]
        assert not file.volumes()[1].any()

    def test_it_survives_csv(self, write_archive, store, small, tmp_path):
        index = run(write_archive(), store, small)
        index.to_csv(tmp_path / "index.csv", index=False)
        again = pd.read_csv(tmp_path / "index.csv", keep_default_na=False)
        assert again["reason"].tolist() == ["", "", ""]


class TestSkipping:
    def test_finished_subjects_are_left_alone_with_their_quality(self, write_archive, store, small):
        manifest = write_archive()
        first = run(manifest, store, small)
        times = {name: store.path(name).stat().st_mtime_ns for name in store.subjects()}
        second = run(manifest, store, small)
        assert times == {name: store.path(name).stat().st_mtime_ns for name in store.subjects()}
        pd.testing.assert_frame_equal(first, second)

    def test_a_changed_scan_parameter_or_damaged_file_is_done_again(self, write_archive, store, small):
        manifest = write_archive()
        first = run(manifest, store, small).set_index("subject")
        manifest.loc[(manifest["subject"] == "a") & (manifest["modality"] == "t1"), "sha256"] = "f" * 64
        store.path("b").write_bytes(b"damaged")
        times = {name: store.path(name).stat().st_mtime_ns for name in ("a", "b", "c")}
        second = run(manifest, store, small).set_index("subject")
        changed = {name for name in times if store.path(name).stat().st_mtime_ns != times[name]}
        assert changed == {"a", "b"}
        assert second.loc["a", "fingerprint"] != first.loc["a", "fingerprint"]
        third = run(manifest, store, small.model_copy(update={"interpolation": "bspline"}))
        assert (third["fingerprint"] != second["fingerprint"].to_numpy()).all()


class TestFailures:
    def test_a_broken_subject_does_not_stop_the_others_nor_leave_a_stale_file(self, write_archive, store, small):
        manifest = write_archive()
        run(manifest, store, small)
        damage(manifest, "b")
        manifest.loc[manifest["subject"] == "b", "sha256"] = "e" * 64
        index = run(manifest, store, small).set_index("subject")
        assert index["status"].to_dict() == {"a": "done", "b": "failed", "c": "done"}
        assert "b-t1.nii.gz" in index.loc["b", "reason"]
        assert "cannot be read" in index.loc["b", "reason"]
        assert store.subjects() == ["a", "c"]

    def test_two_scans_of_one_contrast_fail_their_subject_alone(self, write_archive, store, small):
        manifest = write_archive()
        manifest = pd.concat([manifest, manifest.iloc[[0]]], ignore_index=True)
        index = run(manifest, store, small).set_index("subject")
        assert index["status"].to_dict() == {"a": "failed", "b": "done", "c": "done"}
        assert "t1" in index.loc["a", "reason"]

    def test_if_all_fail_the_first_reasons_are_told(self, write_archive, store, small):
        manifest = write_archive()
        for subject in ("a", "b", "c"):
            damage(manifest, subject)
        with pytest.raises(InputError, match=r"all 3 subjects failed.*cannot be read"):
            run(manifest, store, small)

    def test_an_empty_manifest_is_refused(self, write_archive, store, small):
        with pytest.raises(InputError, match="no subject"):
            run(write_archive().iloc[:0], store, small)


def test_processes_write_the_same_files_as_this_one(write_archive, store, small, tmp_path):
    manifest = write_archive()
    damage(manifest, "b")
    alone = run(manifest, store, small)
    others = SubjectStore(tmp_path / "others")
    together = run(manifest, others, small.model_copy(update={"workers": 2}))
    assert together["status"].tolist() == alone["status"].tolist() == ["done", "failed", "done"]
    for name in ("a", "c"):
        np.testing.assert_array_equal(others.open(name).volumes(), store.open(name).volumes())
        assert others.open(name).metadata["fingerprint"] == store.open(name).metadata["fingerprint"]
