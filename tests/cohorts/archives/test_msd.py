"""The Decathlon's brain tumours: four contrasts in one 4-D file."""

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.archives.layouts import find_scans
from mrisynth_pipeline.cohorts.manifest import build_manifest, scan_path, summarise, usable
from mrisynth_pipeline.cohorts.volumes import open_volume

SHAPE = (9, 10, 11)


@pytest.fixture
def archive(tmp_path, write_scan):
    """Two patients with label maps and one without; the volumes are told apart by their level."""
    generator = np.random.default_rng(0)
    root = tmp_path / "Task01_BrainTumour"
    for folder, patient in (("imagesTr", "BRATS_001"), ("imagesTr", "BRATS_002"), ("imagesTs", "BRATS_485")):
        volumes = generator.integers(0, 50, (*SHAPE, 4)) + 100 * np.arange(1, 5)
        write_scan(root / folder / f"{patient}.nii.gz", volumes.astype(np.int16))
        write_scan(root / folder / f"._{patient}.nii.gz", volumes.astype(np.int16))
        if folder == "imagesTr":
            write_scan(root / "labelsTr" / f"{patient}.nii.gz", generator.integers(0, 4, SHAPE).astype(np.uint8))
    return root


def test_one_file_is_four_scans(archive):
    scans = [scan for scan in find_scans("msd", archive) if scan.subject == "BRATS_001"]
    assert [(scan.modality, scan.volume) for scan in scans] == [
        *(("flair", 0), ("t1", 1), ("t1c", 2), ("t2", 3)),
        ("seg", None),
    ]


def test_the_manifest_keeps_volumes_apart_and_suspects_no_duplicates(archive):
    manifest = build_manifest("study", "msd", archive)
    assert len(manifest) == 4 * 3 + 2
    assert usable(manifest).equals(manifest)
    assert set(manifest["shape"]) == {"9x10x11"}
    assert set(manifest["registered"]) == {"yes"}
    for row in manifest[manifest["modality"] != "seg"].itertuples():
        level = {"flair": 100, "t1": 200, "t1c": 300, "t2": 400}[row.modality]
        assert level <= row.intensity_min <= row.intensity_max < level + 50
        image = open_volume(scan_path(row), int(row.volume))
        assert np.asanyarray(image.dataobj).min() == row.intensity_min
    summary = summarise(manifest)
    assert (summary["complete_subjects"], summary["label_maps"]) == (3, 2)


def test_labels_become_those_of_the_project(archive):
    manifest = build_manifest("study", "msd", archive)
    assert set(manifest.loc[manifest["modality"] == "seg", "labels"]) == {"0:0 1:2 2:1 3:3"}
    assert set(manifest.loc[manifest["modality"] != "seg", "labels"]) == {""}


def test_a_file_with_fewer_volumes_costs_those(archive, write_scan):
    path = archive / "imagesTr" / "BRATS_001.nii.gz"
    nib.save(nib.load(path).slicer[..., :3], path)
    manifest = build_manifest("study", "msd", archive)
    refused = manifest[manifest["problems"] != ""]
    assert list(refused["modality"]) == ["t2"]
    assert "there is no volume number 4" in refused["problems"].item()
