"""Broken input of every kind, made on the spot: the message of each is the one that docs/faults.md promises."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest import build_manifest
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject

SUBJECTS = ("BraTS-GLI-00005-000", "BraTS-GLI-00006-000")
SHAPE = (20, 20, 20)
AFFINE = np.diag([6.0, 6.0, 6.0, 1.0])
FAULTS: dict[str, Callable[["Archive"], None]] = {}
"""What is broken (a row of docs/faults.md) → how to break it."""

GRID = PreprocessingParameters(grid=GridParameters(size=(16, 16, 16), spacing_mm=(8.0, 8.0, 8.0)), workers=1)


class Archive:
    """Two sound patients in the BraTS layout, to be broken."""

    kind = "brats"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for number, subject in enumerate(SUBJECTS):
            for place, contrast in enumerate(("t1n", "t1c", "t2w", "t2f")):
                self.write(self.file(contrast, subject), brain(10 * number + place))
            self.write(self.file("seg", subject), labels(number))

    def file(self, contrast: str = "t1n", subject: str = SUBJECTS[0]) -> Path:
        """A scan of the archive; by default the one that gets broken."""
        return self.folder / subject / f"{subject}-{contrast}.nii.gz"

    def write(self, path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> nib.Nifti1Image:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(voxels, affine)
        nib.save(image, path)
        return image


def brain(seed: int) -> np.ndarray:
    """A skull-stripped ball of values between 100 and 1000."""
    radius = np.linalg.norm(np.indices(SHAPE) - 9.5, axis=0)
    return np.where(radius < 8, np.random.default_rng(seed).uniform(100, 1000, SHAPE), 0).astype(np.float32)


def labels(seed: int) -> np.ndarray:
    return np.where(brain(seed) > 900, 2, 0).astype(np.uint8)


def fault(name: str) -> Callable:
    """Enter a function that breaks an archive."""

    def enter(function: Callable[[Archive], None]) -> Callable[[Archive], None]:
        FAULTS[name] = function
        return function

    return enter


@fault("empty file")
def _(archive):
    archive.file().write_bytes(b"")


@fault("truncated gzip")
def _(archive):
    archive.file().write_bytes(archive.file().read_bytes()[:3000])


@fault("corrupt gzip")
def _(archive):
    content = bytearray(archive.file().read_bytes())
    content[-6] ^= 0xFF  # in the checksum
    archive.file().write_bytes(bytes(content))


@fault("truncated without compression")
def _(archive):
    path = archive.file().with_suffix("")
    archive.write(path, brain(0))
    path.write_bytes(path.read_bytes()[:9000])
    archive.file().unlink()


@fault("compressed but named .nii")
def _(archive):
    archive.file().rename(archive.file().with_suffix(""))


@fault("not compressed but named .nii.gz")
def _(archive):
    nib.save(nib.Nifti1Image(brain(0), AFFINE), archive.folder / "plain.nii")
    (archive.folder / "plain.nii").rename(archive.file())


@fault("a web page instead of a scan")
def _(archive):
    archive.file().write_text("<!DOCTYPE html><title>404</title>")


@fault("dangling link")
def _(archive):
    archive.file().unlink()
    archive.file().symlink_to("nowhere.nii.gz")


@fault("4-D file")
def _(archive):
    archive.write(archive.file(), np.stack([brain(0), brain(1)], axis=-1))


@fault("a few slices only")
def _(archive):
    archive.write(archive.file(), brain(0)[:, :, :4])


@fault("header without placement")
def _(archive):
    image = nib.Nifti1Image(brain(0), None)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, archive.file())


@fault("affine that cannot be inverted")
def _(archive):
    image = nib.Nifti1Image(brain(0), AFFINE)
    image.header.set_sform(np.array([[6.0, 6, 0, 0], [6, 6, 0, 0], [0, 0, 6, 0], [0, 0, 0, 1]]), code=1)
    nib.save(nib.Nifti1Image(brain(0), None, image.header), archive.file())


@fault("voxel size in the wrong unit")
def _(archive):
    archive.write(archive.file(), brain(0), np.diag([0.006, 0.006, 0.006, 1.0]))


@fault("NaN voxels")
def _(archive):
    voxels = brain(0)
    voxels[3, 4, :5] = np.nan
    archive.write(archive.file(), voxels)


@fault("constant volume")
def _(archive):
    archive.write(archive.file(), np.full(SHAPE, 7, np.int16))


@fault("colour image")
def _(archive):
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    archive.write(archive.file(), rgb)


@fault("unknown label value")
def _(archive):
    voxels = labels(0)
    voxels[voxels > 0] = 7
    archive.write(archive.file("seg"), voxels)


@fault("interpolated label map")
def _(archive):
    archive.write(archive.file("seg"), labels(0) * np.float32(0.75))


@fault("label map on another grid")
def _(archive):
    archive.write(archive.file("seg"), labels(0)[:-2])


@fault("one patient under two names")
def _(archive):
    shutil.copyfile(archive.file("t1n", SUBJECTS[1]), archive.file())


@fault("one contrast copied over another")
def _(archive):
    shutil.copyfile(archive.file("t1c"), archive.file())


@fault("one contrast twice")
def _(archive):
    archive.write(archive.folder / "again" / archive.file().name, brain(77))


@fault("name that says nothing")
def _(archive):
    archive.file().rename(archive.folder / SUBJECTS[0] / "t1_new.nii.gz")


@fault("a contrast that nobody has")
def _(archive):
    for subject in SUBJECTS:
        archive.file("t1n", subject).unlink()


@fault("empty folder")
def _(archive):
    shutil.rmtree(archive.folder)
    archive.folder.mkdir()


@fault("missing folder")
def _(archive):
    shutil.rmtree(archive.folder)


@fault("archive of another kind")
def _(archive):
    archive.kind = "ixi"


@fault("not skull-stripped although it should be")
def _(archive):
    for contrast in ("t1n", "t1c", "t2w", "t2f"):
        archive.write(archive.file(contrast), brain(sum(map(ord, contrast))) + np.float32(50))


@fault("no foreground")
def _(archive):
    for contrast in ("t1n", "t1c", "t2w", "t2f"):
        archive.write(archive.file(contrast), -brain(ord(contrast[-1])))


def message(archive: Archive) -> str:
    """What a user sees: the run's error, the manifest's sentence, or why preprocessing leaves a subject out."""
    try:
        manifest = build_manifest("broken", archive.kind, archive.folder)
    except InputError as error:
        return str(error)
    rows = manifest[manifest["problems"] != ""]
    if not rows.empty:
        assert len(rows) < len(manifest) / 2, "the other scans go on"
        return rows["problems"].iloc[0]
    scans = {row.modality: archive.folder / row.path for row in manifest.itertuples() if row.subject == SUBJECTS[0]}
    sources = {name: ScanSource.of(path) for name, path in scans.items()}
    with pytest.raises(InputError) as caught:
        preprocess_subject(SUBJECTS[0], sources, ("t1", "t1c", "t2", "flair"), GRID, True)
    return str(caught.value)


def promised(project: Path) -> dict[str, str]:
    """Fault → message, as docs/faults.md says."""
    page = (project / "docs/faults.md").read_text().partition("\n## ")[0]  # what follows is about settings
    return dict(re.findall(r"^\| ([^|]+?) \| `` (.+?) `` \|$", page, flags=re.MULTILINE))


def test_the_page_lists_the_faults_tried_here_and_no_others(project):
    assert list(promised(project)) == list(FAULTS)
    assert len(FAULTS) >= 20


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_the_message_that_the_page_promises(name, project, tmp_path):
    archive = Archive(tmp_path / "archive")
    FAULTS[name](archive)
    seen = message(archive).replace(str(tmp_path), "/data")
    assert re.sub(r"0x[0-9a-f]{8}", "0x…", seen) == promised(project)[name]
