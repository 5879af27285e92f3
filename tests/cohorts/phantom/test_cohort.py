import hashlib
import json

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.archives.layouts import find_scans
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom import fabricate_cohort, truth_dir

TINY = PhantomParameters(n_subjects=2, spacing_mm=8.0)


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.nii.gz"))}


def test_brats_layout_on_disk(glioma_dir):
    folder = glioma_dir / "BraTS-GLI-90001-000"
    assert {p.name for p in folder.iterdir()} == {
        f"BraTS-GLI-90001-000-{name}.nii.gz" for name in ("t1n", "t1c", "t2w", "t2f", "seg")
    }
    assert len(list(glioma_dir.iterdir())) == 6
    assert {p.name for p in glioma_dir.glob("BraTS-GLI-90005-*")} == {"BraTS-GLI-90005-000", "BraTS-GLI-90005-001"}


def test_the_archive_reader_finds_every_scan_and_knows_who_is_who(glioma_dir):
    scans = find_scans("brats", glioma_dir)
    assert len(scans) == 6 * 5
    assert {scan.modality for scan in scans} == {"t1", "t1c", "t2", "flair", "seg"}
    assert len({scan.subject for scan in scans}) == 6 and len({scan.patient for scan in scans}) == 5


def test_labels_lie_on_the_grid_of_t1c_and_inside_the_brain(glioma_dir):
    for folder in glioma_dir.iterdir():
        segmentation = nib.load(folder / f"{folder.name}-seg.nii.gz")
        scan = nib.load(folder / f"{folder.name}-t1c.nii.gz")
        brain = np.asarray(nib.load(truth_dir(glioma_dir) / folder.name / "brain.nii.gz").dataobj)
        labels = np.asarray(segmentation.dataobj)
        np.testing.assert_array_equal(segmentation.affine, scan.affine)
        assert segmentation.get_data_dtype() == np.uint8 and labels.shape == scan.shape
        assert set(np.unique(labels)) <= {0, 1, 2, 3} and labels.any()
        assert not labels[brain == 0].any()


def test_truth_holds_transforms_and_tissue_shares(glioma_dir):
    truth = truth_dir(glioma_dir) / "BraTS-GLI-90002-000"
    content = json.loads((truth / "transforms.json").read_text())
    assert content["reference"] == "t1c" and "anatomy world to scan world" in content["direction"]
    assert set(content["transforms"]) == {"t1", "t1c", "t2", "flair"}
    assert content["transforms"]["t1c"] == np.eye(4).tolist()
    shares = [nib.load(truth / f"{name}.nii.gz").get_fdata() for name in ("grey", "white", "csf")]
    assert all(0.5 < share.max() < 1.001 for share in shares)
    assert sum(shares).max() < 1.02


def test_sform_and_qform_agree(glioma_dir):
    for path in glioma_dir.rglob("*t2f.nii.gz"):
        header = nib.load(path).header
        np.testing.assert_allclose(header.get_sform(), header.get_qform(), atol=1e-3)


def test_ixi_layout_on_disk(tmp_path):
    parameters = PhantomParameters(layout="ixi", n_subjects=3, spacing_mm=8.0)
    table = fabricate_cohort(parameters, registered=False, out_dir=tmp_path / "ixi", workers=1)
    assert sorted(p.relative_to(tmp_path / "ixi").as_posix() for p in (tmp_path / "ixi").rglob("*.nii.gz")) == sorted(
        f"IXI-{m}/IXI{n}-{site}-0{n}-{m}.nii.gz"
        for n, site in ((901, "Guys"), (902, "HH"), (903, "Guys"))
        for m in ("T1", "T2", "PD")
    )
    assert list(table.columns) == [
        *("subject", "patient", "session", "site", "modality", "path", "shape", "spacing_mm", "orientation")
    ]
    scans = find_scans("ixi", tmp_path / "ixi")
    assert {(scan.subject, scan.modality) for scan in scans} >= {("IXI901-Guys-0901", m) for m in ("t1", "t2", "pd")}
    assert {scan.site for scan in scans} == {"Guys", "HH"}
    assert len(table) == 9 and set(table.site) == {"Guys", "HH"}
    assert set(table[table.modality == "t1"].orientation) == {"PSR"}


def test_same_parameters_give_the_same_bytes_whatever_the_workers_and_the_size(tmp_path):
    alone = fabricate_cohort(TINY, registered=True, out_dir=tmp_path / "a", workers=1)
    pooled = fabricate_cohort(TINY, registered=True, out_dir=tmp_path / "b", workers=2)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert alone.equals(pooled)
    fabricate_cohort(TINY.model_copy(update={"n_subjects": 1}), registered=True, out_dir=tmp_path / "c", workers=1)
    small = digests(tmp_path / "c")
    assert small and small.items() <= digests(tmp_path / "a").items()
    fabricate_cohort(
        TINY.model_copy(update={"n_subjects": 1, "seed": 1}), registered=True, out_dir=tmp_path / "d", workers=1
    )
    assert not small.items() & digests(tmp_path / "d").items()


def test_finished_subjects_are_skipped_and_unfinished_ones_made_again(tmp_path):
    folder = tmp_path / "cohort"
    first = fabricate_cohort(TINY, registered=True, out_dir=folder, workers=1)
    before = digests(folder)
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("*.nii.gz")}
    again = fabricate_cohort(TINY, registered=True, out_dir=folder, workers=1)
    assert again.equals(first)
    assert times == {p: p.stat().st_mtime_ns for p in folder.rglob("*.nii.gz")}

    kept, lost = sorted(folder.iterdir())
    (lost / f"{lost.name}-t1c.nii.gz").unlink()
    (lost / f".{lost.name}-t1c.nii.gz.1.partial").write_bytes(b"killed while writing")
    fabricate_cohort(TINY, registered=True, out_dir=folder, workers=1)
    assert digests(folder) == before
    assert not list(folder.rglob(".*"))
    for path in kept.iterdir():
        assert path.stat().st_mtime_ns == times[path]


def test_other_parameters_replace_the_cohort_and_leave_nothing_behind(tmp_path):
    folder = tmp_path / "cohort"
    fabricate_cohort(TINY, registered=True, out_dir=folder, workers=1)
    volunteers = TINY.model_copy(update={"layout": "ixi", "n_subjects": 1})
    table = fabricate_cohort(volunteers, registered=True, out_dir=folder, workers=1)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.nii.gz")} == set(table.path)
    assert [p.name for p in truth_dir(folder).iterdir()] == ["IXI901-Guys-0901"]


def test_dropping_leaves_at_least_one_scan_and_every_label_map(tmp_path):
    parameters = PhantomParameters(n_subjects=4, spacing_mm=8.0, drop_fraction=0.8)
    table = fabricate_cohort(parameters, registered=True, out_dir=tmp_path / "cohort", workers=1)
    scans = table[table.modality != "seg"].groupby("subject").size()
    assert len(scans) == 4 and scans.min() >= 1
    assert scans.sum() < 12
    assert (table.modality == "seg").sum() == 4


def test_somebody_elses_scans_are_refused_and_untouched(tmp_path):
    precious = tmp_path / "archive" / "BraTS-GLI-00001-000" / "BraTS-GLI-00001-000-t1c.nii.gz"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"a patient")
    with pytest.raises(InputError, match="empty folder"):
        fabricate_cohort(TINY, registered=True, out_dir=tmp_path / "archive", workers=1)
    assert precious.read_bytes() == b"a patient"
    assert not truth_dir(tmp_path / "archive").exists()
