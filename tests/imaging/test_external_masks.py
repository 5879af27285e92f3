"""Programs that a test writes itself stand in for HD-BET and SynthStrip: they take the same arguments."""

import os
import stat
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.external_masks import external_mask, find_program
from mrisynth_pipeline.imaging.geometry import grid_of, image_on
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters

PYTHON = sys.executable
PREAMBLE = f"""#!{PYTHON}
import sys, time, pathlib
import nibabel as nib
import numpy as np
arguments = sys.argv[1:]
option = dict(zip(arguments[:-1], arguments[1:]))
scan = nib.load(option["-i"])
voxels, affine = scan.get_fdata(), scan.affine
def save(mask, affine=affine):
    path = option["-m"] if "-m" in option else option["-o"].replace(".nii.gz", "_bet.nii.gz")
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), path)
"""

THRESHOLD = "save(voxels > 50)"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a program of some name and body on the PATH, which otherwise is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))

    def write(name: str, body: str = THRESHOLD):
        path = folder / name
        path.write_text(PREAMBLE + body + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


@pytest.fixture
def head() -> sitk.Image:
    """A bright box in noise, oblique voxels of unequal size."""
    values = np.random.default_rng(0).uniform(0, 10, (12, 16, 20)).astype(np.float32)
    values[3:9, 4:12, 5:15] += 100
    turn = np.deg2rad(10)
    affine = np.diag([2.0, 2.5, 3.0, 1.0])
    affine[:2, :2] = [[2 * np.cos(turn), -2.5 * np.sin(turn)], [2 * np.sin(turn), 2.5 * np.cos(turn)]]
    affine[:3, 3] = (-20, 7, 11)
    return image_on(values, affine)


def asking(mask, **more) -> PreprocessingParameters:
    return PreprocessingParameters(mask=mask, **more)


@pytest.mark.parametrize(
    ("mask", "name"), [("hd-bet", "hd-bet"), ("synthstrip", "mri_synthstrip"), ("synthstrip", "synthstrip-docker")]
)
def test_its_mask_lies_on_the_scans_voxels(program, head, mask, name):
    program(name)
    found = external_mask(head, asking(mask))
    assert found.GetPixelID() == sitk.sitkUInt8
    assert grid_of(found).matches(grid_of(head))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found) > 0, sitk.GetArrayFromImage(head) > 50)


@pytest.mark.parametrize(
    ("mask", "more", "expected"),
    [
        ("hd-bet", {}, ["-device", "cpu", "--disable_tta", "--save_bet_mask", "--no_bet_image"]),
        ("hd-bet", {"mask_gpu": True}, ["-device", "cuda", "--save_bet_mask", "--no_bet_image"]),
        ("synthstrip", {}, []),
        ("synthstrip", {"mask_gpu": True}, ["-g"]),
    ],
)
def test_it_is_called_as_its_manual_says(program, head, tmp_path, mask, more, expected):
    for name in ("hd-bet", "mri_synthstrip"):
        program(name, f"pathlib.Path({str(tmp_path)!r}, 'said').write_text(chr(10).join(arguments)); {THRESHOLD}")
    external_mask(head, asking(mask, **more))
    said = (tmp_path / "said").read_text().splitlines()
    assert said[0] == "-i" and said[2] == ("-o" if mask == "hd-bet" else "-m")
    assert said[4:] == expected
    assert not os.path.exists(said[1]), "the temporary folder stays"  # noqa: PTH110


def test_weights_are_handed_on_where_a_program_needs_them(program, head, tmp_path):
    program("nipreps-synthstrip", "assert pathlib.Path(option['--model']).is_file(); " + THRESHOLD)
    with pytest.raises(InputError, match=r"needs a file of weights.*mask_weights"):
        find_program(asking("synthstrip"))
    with pytest.raises(InputError, match="no such file of weights"):
        find_program(asking("synthstrip", mask_weights=str(tmp_path / "none.pt")))
    (tmp_path / "synthstrip.1.pt").touch()
    external_mask(head, asking("synthstrip", mask_weights=str(tmp_path / "synthstrip.1.pt")))


def test_a_missing_program_says_how_to_get_it(program):
    with pytest.raises(InputError, match=r"no program hd-bet.*pip install -e .\.\[hd-bet\]"):
        find_program(asking("hd-bet"))
    with pytest.raises(InputError, match=r"no program mri_synthstrip or .*FreeSurfer"):
        find_program(asking("synthstrip"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('loading', file=sys.stderr); sys.exit('out of memory')", r"status 1 \(out of memory\)"),
        ("sys.exit(3)", r"status 3 \(without a word\)"),
        ("pass", "left no mask"),
        ("save(voxels > 1e6)", "mask is empty"),
        ("save((voxels > 50)[:-1])", "other voxels"),
        ("save(voxels > 50, affine + np.diag([0, 0, 0.1, 0]))", "other voxels"),
    ],
)
def test_a_failure_is_told_with_the_programs_last_word(program, head, body, words):
    program("mri_synthstrip", body)
    with pytest.raises(InputError, match=rf"mri_synthstrip: .*{words}"):
        external_mask(head, asking("synthstrip"))


def test_a_program_that_hangs_is_ended_with_all_it_started(program, head, tmp_path):
    late = tmp_path / "late"
    child = f"import time, pathlib; time.sleep(3); pathlib.Path({str(late)!r}).touch()"
    program("hd-bet", f"import subprocess; subprocess.Popen([{PYTHON!r}, '-c', {child!r}]); time.sleep(60)")
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"hd-bet: it was stopped after 2 s.*mask_timeout_s"):
        external_mask(head, asking("hd-bet", mask_timeout_s=2))
    assert time.perf_counter() - start < 4
    time.sleep(2.5)
    assert not late.exists()
