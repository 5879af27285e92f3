import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.cohorts.archives.layouts import find_scans
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom import fabricate_cohort, truth_dir
from mrisynth_pipeline.cohorts.phantom.cohort import _fingerprint
from mrisynth_pipeline.cohorts.phantom.files import fingerprint
from mrisynth_pipeline.cohorts.volumes import open_volume

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


class TestRemindLayout:
    PARAMETERS = PhantomParameters(layout="remind", n_subjects=2, spacing_mm=8.0)

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        out_dir = tmp_path_factory.mktemp("phantom") / "remind"
        fabricate_cohort(self.PARAMETERS, registered=False, out_dir=out_dir, workers=1)
        return out_dir

    def test_names_are_those_of_the_archive(self, folder):
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        series = ("3D_AX_T1_postcontrast", "3D_SAG_T2_FLAIR")
        case = "Case902/{}/Case902-"
        assert {name for name in found if "Case902" in name} == {
            *(case.format("Preop-MR") + f"preop-MR-{name}.nrrd" for name in ("3D_SAG_T2_SPACE", *series)),
            case.format("Intraop-US") + "intraop-US-pre_dura.nrrd",
            case.format("Annotations") + "preop-SEG-tumor-MR-3D_SAG_T2_SPACE.nrrd",
            "affine/Case902/Case902-Case902-intraop-US-pre_dura-to-Case902-preop-MR-3D_SAG_T2_SPACE.tfm",
            *(
                f"rigid/Case902/Case902-Case902-preop-MR-3D_SAG_T2_SPACE-to-Case902-preop-MR-{name}.tfm"
                for name in series
            ),
        }
        assert len({path.split("/")[0] for path in found}) == 2 + 2

    def test_the_reader_finds_the_scans_and_their_ways_to_the_ultrasound(self, folder):
        scans = {scan.modality: scan for scan in find_scans("remind", folder) if scan.subject == "Case901"}
        assert set(scans) == {"us", "t2", "t1c", "flair", "outline"}
        truth = json.loads((truth_dir(folder) / "Case901" / "transforms.json").read_text())
        assert truth["reference"] == "t2"
        for modality in ("t2", "t1c", "flair"):
            assert len(scans[modality].transform) == (1 if modality == "t2" else 2)
            point = np.array([12.0, -30.0, 25.0, 1.0])  # of the head, in RAS
            there, wanted = ((np.array(truth["transforms"][name]) @ point)[:3] for name in (modality, "us"))
            there = there * [-1, -1, 1]  # ITK's points are LPS
            for path in scans[modality].transform:
                there = np.array(sitk.ReadTransform(str(path)).TransformPoint(there.tolist()))
            np.testing.assert_allclose(there * [-1, -1, 1], wanted, atol=1e-6)

    def test_files_hold_what_their_kind_wants(self, folder):
        sweep = open_volume(folder / "Case901/Intraop-US/Case901-intraop-US-pre_dura.nrrd")
        assert sweep.get_data_dtype() == np.uint8
        outline = open_volume(folder / "Case901/Annotations/Case901-preop-SEG-tumor-MR-3D_SAG_T2_SPACE.nrrd")
        assert set(np.unique(outline.dataobj)) == {0, 1}
        labels = nib.load(truth_dir(folder) / "Case901" / "labels.nii.gz")
        np.testing.assert_allclose(labels.affine, outline.affine, atol=1e-4)
        np.testing.assert_array_equal(np.asarray(labels.dataobj) > 0, np.asarray(outline.dataobj) > 0)

    def test_the_same_bytes_again_and_nothing_left_of_another(self, folder, tmp_path):
        def bytes_of(root):
            return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}

        made = fabricate_cohort(self.PARAMETERS, registered=False, out_dir=tmp_path / "remind", workers=1)
        assert bytes_of(tmp_path / "remind") == bytes_of(folder)
        next((tmp_path / "remind" / "affine").rglob("*.tfm")).unlink()
        again = fabricate_cohort(self.PARAMETERS, registered=False, out_dir=tmp_path / "remind", workers=1)
        assert bytes_of(tmp_path / "remind") == bytes_of(folder)
        assert again.equals(made)
        fabricate_cohort(TINY.model_copy(update={"n_subjects": 1}), True, tmp_path / "remind", workers=1)
        assert [path.name for path in (tmp_path / "remind").iterdir()] == ["BraTS-GLI-90001-000"]

    def test_dropping_leaves_the_ultrasound_and_one_mr_scan(self, tmp_path):
        parameters = self.PARAMETERS.model_copy(update={"drop_fraction": 0.8, "n_subjects": 4})
        table = fabricate_cohort(parameters, registered=False, out_dir=tmp_path / "remind", workers=1)
        assert (table.modality == "us").sum() == 4
        assert 4 <= (~table.modality.isin(["us", "seg"])).sum() < 9
        assert table[~table.modality.isin(["us", "seg"])].subject.nunique() == 4

    def test_it_is_never_registered(self, tmp_path):
        with pytest.raises(InputError, match=r"cohort\.registered=true: the ReMIND phantom is as from the scanner"):
            fabricate_cohort(self.PARAMETERS, registered=True, out_dir=tmp_path / "remind", workers=1)


def test_cohorts_from_before_lesions_could_be_left_out_are_not_made_again(glioma_parameters):
    known = _fingerprint(glioma_parameters, registered=False)
    content = glioma_parameters.model_dump(mode="json", exclude={"n_subjects", "workers", "lesions"})
    assert known == fingerprint({**content, "registered": False, "version": 1})
    assert _fingerprint(glioma_parameters.model_copy(update={"lesions": False}), registered=False) != known
