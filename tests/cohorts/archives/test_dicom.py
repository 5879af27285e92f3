"""DICOM studies, made here, through the real dcm2niix."""

import csv
import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("dcm2niix")

from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid  # noqa: E402

from mrisynth_pipeline.cohorts.archives import dicom  # noqa: E402
from mrisynth_pipeline.cohorts.archives.dicom import convert_dicom, find_dcm2niix  # noqa: E402
from mrisynth_pipeline.cohorts.archives.obtaining import obtain  # noqa: E402
from mrisynth_pipeline.cohorts.errors import InputError  # noqa: E402
from mrisynth_pipeline.cohorts.manifest import build_manifest, summarise, usable  # noqa: E402
from mrisynth_pipeline.cohorts.parameters import CohortParameters  # noqa: E402

SIZE, SLICES = 32, 12
SECRETS = ("Secret", "Person", "ID4711", "19700101", "1970", "Clinic", "101112", "20200102")


def write_series(
    folder, number, name, te, tr, ti=None, agent="", image_type=("ORIGINAL", "PRIMARY", "M"), slices=SLICES
):
    """A series of slices with everything in its header that a hospital's has; the voxels ``[z, y, x]``."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(number).integers(0, 1000, (slices, SIZE, SIZE)).astype(np.uint16)
    series, study, frame = generate_uid(), generate_uid(entropy_srcs=[str(folder)]), generate_uid()
    for index in range(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        fields = {
            **{"SOPClassUID": MRImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "MR"},
            **{"PatientName": "Secret^Person", "PatientID": "ID4711", "PatientBirthDate": "19700101"},
            **{"InstitutionName": "Clinic", "StudyDate": "20200102", "AcquisitionDate": "20200102"},
            **{"StudyTime": "101112", "AcquisitionTime": "101112", "PatientComments": "Secret"},
            **{"StudyInstanceUID": study, "SeriesInstanceUID": series, "FrameOfReferenceUID": frame},
            **{"SeriesNumber": number, "InstanceNumber": index + 1, "SeriesDescription": name, "ImageType": image_type},
            **{"EchoTime": te, "RepetitionTime": tr, "MRAcquisitionType": "2D", "ScanningSequence": "SE"},
            **{"InversionTime": ti, "ContrastBolusAgent": agent or None, "Manufacturer": "SIEMENS"},
            **{"Rows": SIZE, "Columns": SIZE, "PixelSpacing": [6, 6], "SliceThickness": 5, "SamplesPerPixel": 1},
            **{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [-96, -96, -30 + 5 * index]},
            **{"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0},
            **{"PhotometricInterpretation": "MONOCHROME2", "PixelData": voxels[index].tobytes()},
        }
        for field, value in fields.items():
            if value is not None:
                setattr(header, field, list(value) if isinstance(value, tuple) else value)
        header.save_as(folder / f"{number:03d}-{index:03d}", enforce_file_format=True)
    return voxels


@pytest.fixture
def studies(tmp_path):
    """Two patients; the second has one series."""
    raw = tmp_path / "raw"
    write_series(raw / "Pat 1" / "a", 1, "t1_mprage", 3, 1900, 900)
    write_series(raw / "Pat 1" / "a", 2, "t1_mprage", 3, 1900, 900, agent="Gadovist")
    write_series(raw / "Pat 1" / "b", 3, "t2_tirm_dark-fluid", 90, 9000, 2500)
    write_series(raw / "Pat 1" / "b", 4, "localizer", 3, 20, slices=3)
    write_series(raw / "Pat 1" / "b", 5, "AX T1 MPR", 3, 20, image_type=("DERIVED", "SECONDARY", "MPR"))
    write_series(raw / "pat2", 1, "t2_tse", 90, 4000)
    (raw / "notes").mkdir()
    (raw / "notes" / "readme.txt").write_text("no DICOM here")
    return raw


def table(out):
    with (out / "conversion.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_studies_become_a_bids_folder_that_is_read_as_one(studies, tmp_path):
    out = convert_dicom(studies, tmp_path / "out", workers=2)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.nii.gz")) == [
        "sub-Pat1/anat/sub-Pat1_FLAIR.nii.gz",
        "sub-Pat1/anat/sub-Pat1_T1w.nii.gz",
        "sub-Pat1/anat/sub-Pat1_ce-gadolinium_T1w.nii.gz",
        "sub-pat2/anat/sub-pat2_T2w.nii.gz",
    ]
    manifest = build_manifest("study", "bids", out)
    assert usable(manifest).equals(manifest)
    assert set(manifest["shape"]) == {f"{SIZE}x{SIZE}x{SLICES}"}
    assert set(manifest["spacing_mm"]) == {"6.00x6.00x5.00"}
    assert summarise(manifest)["incomplete_subjects"] == {"sub-Pat1": ["t2"], "sub-pat2": ["t1", "t1c", "flair"]}


def test_voxels_and_places_are_those_of_the_slices(tmp_path):
    voxels = write_series(tmp_path / "raw" / "p", 7, "t2_tse", 90, 4000)
    out = convert_dicom(tmp_path / "raw", tmp_path / "out")
    image = nib.as_closest_canonical(nib.load(out / "sub-p" / "anat" / "sub-p_T2w.nii.gz"))
    expected = voxels.transpose(2, 1, 0)[::-1, ::-1]  # DICOM's x and y grow to the left and to the back
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), expected)
    np.testing.assert_allclose(image.affine[:3, 3], [-90, -90, -30], atol=1e-4)


def test_every_series_is_in_the_table_with_its_contrast_or_a_reason(studies, tmp_path):
    rows = table(convert_dicom(studies, tmp_path / "out"))
    said = {(row["source"], row["series"]): row["contrast"] or row["left_out"] for row in rows}
    assert said == {
        ("Pat 1", "1"): "t1",
        ("Pat 1", "2"): "t1c",
        ("Pat 1", "3"): "flair",
        ("Pat 1", "4"): "has only 3 slices",
        ("Pat 1", "5"): "is calculated from another series (image type DERIVED, MPR)",
        ("pat2", "1"): "t2",
    }


def test_nothing_of_the_person_is_carried_over(studies, tmp_path):
    out = convert_dicom(studies, tmp_path / "out")
    for path in out.rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            text = path.read_text(encoding="utf-8")
            assert [word for word in SECRETS if word in text] == [], path
        elif path.is_file():
            header = nib.load(path).header
            assert {bytes(header[name].item()) for name in ("descrip", "aux_file", "db_name", "intent_name")} == {b""}
    sidecar = json.loads((out / "sub-pat2" / "anat" / "sub-pat2_T2w.json").read_text())
    assert (sidecar["EchoTime"], sidecar["SeriesDescription"]) == (0.09, "t2_tse")


def test_a_converted_subject_is_not_converted_again_until_its_study_changes(studies, tmp_path, monkeypatch):
    out = convert_dicom(studies, tmp_path / "out")
    before, original, converted = table(out), dicom._run, []
    monkeypatch.setattr(dicom, "_run", lambda *given: converted.append(given[1].name) or original(*given))
    convert_dicom(studies, out)
    assert (converted, table(out)) == ([], before)
    write_series(studies / "pat2", 2, "AX FLAIR", 120, 9000, 2500)
    convert_dicom(studies, out)
    assert converted == ["pat2"]
    assert (out / "sub-pat2" / "anat" / "sub-pat2_FLAIR.nii.gz").exists()


def test_a_study_that_is_gone_is_gone_from_the_cohort(studies, tmp_path):
    out = convert_dicom(studies, tmp_path / "out")
    (studies / "pat2").rename(tmp_path / "elsewhere")
    convert_dicom(studies, out)
    assert sorted(path.name for path in out.glob("sub-*")) == ["sub-Pat1"]


def test_a_bad_study_is_recorded_and_the_others_go_on(studies, tmp_path):
    (studies / "bad").mkdir()
    (studies / "bad" / "1.dcm").write_bytes(bytes(128) + b"DICM" + b"rubbish" * 100)
    out = convert_dicom(studies, tmp_path / "out")
    (row,) = (row for row in table(out) if row["subject"] == "sub-bad")
    assert "dcm2niix made nothing of it" in row["left_out"]
    assert not (out / "sub-bad").exists(), "it is tried again next time"
    assert len(list(out.glob("sub-*"))) == 2
    assert list(out.glob(".converting-*")) == []


def test_a_study_that_is_converted_in_part_says_so(tmp_path, monkeypatch):
    write_series(tmp_path / "raw" / "p", 1, "t2_tse", 90, 4000)
    grumbling = tmp_path / "grumbling"
    grumbling.write_text(f'#!/bin/sh\n"{find_dcm2niix()}" "$@"\necho "Error: one file is odd"\nexit 8\n')
    grumbling.chmod(0o755)
    monkeypatch.setattr(dicom, "find_dcm2niix", lambda: str(grumbling))
    scan, complaint = table(convert_dicom(tmp_path / "raw", tmp_path / "out"))
    assert scan["contrast"] == "t2"
    assert "did not convert every file of the study (exit code 8: Error: one file is odd)" in complaint["left_out"]


def test_a_conversion_that_hangs_is_stopped(studies, tmp_path, monkeypatch):
    slow = tmp_path / "slow"
    slow.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(30)\n")
    slow.chmod(0o755)
    monkeypatch.setattr(dicom, "find_dcm2niix", lambda: str(slow))
    with pytest.raises(InputError, match=r"none of 2 studies gave a scan: .*was not done after 0\.2 s"):
        convert_dicom(studies, tmp_path / "out", timeout_s=0.2)


def test_of_two_series_of_a_contrast_the_finer_one_has_no_run(tmp_path):
    write_series(tmp_path / "raw" / "p", 1, "t2_tse", 90, 4000)
    write_series(tmp_path / "raw" / "p", 2, "t2_tse", 90, 4000, slices=20)
    rows = table(convert_dicom(tmp_path / "raw", tmp_path / "out"))
    assert {row["series"]: row["file"] for row in rows} == {
        "1": "sub-p/anat/sub-p_run-2_T2w.nii.gz",
        "2": "sub-p/anat/sub-p_T2w.nii.gz",
    }
    manifest = build_manifest("study", "bids", tmp_path / "out")
    assert list(usable(manifest)["shape"]) == [f"{SIZE}x{SIZE}x20"]


def test_a_folder_of_slices_is_one_subject_called_after_it(tmp_path):
    write_series(tmp_path / "Pat_7", 1, "t2_tse", 90, 4000)
    convert_dicom(tmp_path / "Pat_7", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("sub-*")] == ["sub-Pat7"]


def test_names_that_become_equal_stay_two_people(tmp_path):
    for name in ("P 1", "P-1"):
        write_series(tmp_path / "raw" / name, 1, "t2_tse", 90, 4000)
    rows = table(convert_dicom(tmp_path / "raw", tmp_path / "out"))
    assert len({row["subject"] for row in rows}) == 2
    assert all(row["subject"].startswith("sub-P1x") for row in rows)


def test_a_folder_without_dicom_is_named(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "scan.nii.gz").write_bytes(b"x" * 200)
    with pytest.raises(InputError, match=r"holds no DICOM files.*one folder per study"):
        convert_dicom(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match=r"there is no such folder"):
        convert_dicom(tmp_path / "nowhere", tmp_path / "out")


def test_without_the_program_the_way_to_it_is_named(monkeypatch):
    assert subprocess.run([find_dcm2niix(), "--version"], capture_output=True).returncode in (0, 3)
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    monkeypatch.setattr(dicom.shutil, "which", lambda _: "/there/dcm2niix")
    assert find_dcm2niix() == "/there/dcm2niix"
    monkeypatch.setattr(dicom.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r'needs the program dcm2niix.*pip install -e "\.\[dicom\]"'):
        find_dcm2niix()
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"needs pydicom"):
        find_dcm2niix()


def test_a_cohort_of_dicom_is_read_as_bids(studies, tmp_path):
    layout, folder = obtain(CohortParameters(kind="dicom", raw_dir=studies), tmp_path / "archives")
    assert (layout, folder.parent) == ("bids", tmp_path / "archives")
    assert folder.name.startswith("dicom-raw-")
