"""Brain masks by programs that a user may have: HD-BET and SynthStrip, networks with weights of their own.

Nothing is installed or downloaded from here: the programs are called as a person would call them.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.geometry import grid_of
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.scan import read_scan


@dataclass(frozen=True)
class _Tool:
    """A way to get a brain mask.

    Args:
        programs: Names it goes by, the preferred one first.
        arguments: (image file, mask file, parameters) → its arguments.
        remedy: What a user who lacks it can do.
    """

    programs: tuple[str, ...]
    arguments: Callable[[Path, Path, PreprocessingParameters], list[str]]
    remedy: str


def _hd_bet(image: Path, mask: Path, parameters: PreprocessingParameters) -> list[str]:
    """HD-BET 2 (Isensee et al., Human Brain Mapping 40, 2019); it adds ``_bet`` to the name it is given."""
    name = mask.with_name(mask.name.replace("_bet.nii.gz", ".nii.gz"))
    device = ["-device", "cuda"] if parameters.mask_gpu else ["-device", "cpu", "--disable_tta"]
    return ["-i", str(image), "-o", str(name), *device, "--save_bet_mask", "--no_bet_image"]


def _synthstrip(image: Path, mask: Path, parameters: PreprocessingParameters) -> list[str]:
    """SynthStrip (Hoopes et al., NeuroImage 260, 2022); its programs agree on these options."""
    weights = ["--model", parameters.mask_weights] if parameters.mask_weights else []
    return ["-i", str(image), "-m", str(mask), *weights, *(["-g"] if parameters.mask_gpu else [])]


TOOLS = {
    "hd-bet": _Tool(
        ("hd-bet",),
        _hd_bet,
        'Install it (pip install -e ".[hd-bet]"; it fetches its weights when it first runs), '
        "or set preprocessing.mask to brain",
    ),
    "synthstrip": _Tool(
        ("mri_synthstrip", "synthstrip-docker", "synthstrip-singularity", "nipreps-synthstrip"),
        _synthstrip,
        "Install FreeSurfer 7.3 or newer, which brings mri_synthstrip and its weights, or the script "
        "synthstrip-docker, or set preprocessing.mask to brain",
    ),
}
"""``preprocessing.mask`` → the tool it names."""

_NEEDS_WEIGHTS = "nipreps-synthstrip"


def find_program(parameters: PreprocessingParameters) -> str:
    """Where the program that ``preprocessing.mask`` names lies: on the PATH, or beside this Python.

    Raises:
        InputError: It is not installed, or lacks its weights.
    """
    tool = TOOLS[parameters.mask]
    folders = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    found = next(filter(None, (shutil.which(name, path=folders) for name in tool.programs)), None)
    where = f"preprocessing.mask: {parameters.mask}"
    if found is None:
        raise InputError(where, f"there is no program {' or '.join(tool.programs)}", tool.remedy)
    if parameters.mask_weights and not Path(parameters.mask_weights).is_file():
        raise InputError(parameters.mask_weights, "there is no such file of weights", "Correct mask_weights")
    if Path(found).stem == _NEEDS_WEIGHTS and not parameters.mask_weights:
        raise InputError(where, f"{_NEEDS_WEIGHTS} needs a file of weights", "Name it in preprocessing.mask_weights")
    return found


def external_mask(image: sitk.Image, parameters: PreprocessingParameters) -> sitk.Image:
    """The brain as HD-BET or SynthStrip see it.

    Args:
        image: A head scan of any contrast, RAS+ axes.
        parameters: Which program (``mask``), its weights, device and time.

    Returns:
        uint8 mask on the scan's voxels.

    Raises:
        InputError: The program is missing, fails, takes too long, or leaves no usable mask.
    """
    program = find_program(parameters)
    with tempfile.TemporaryDirectory(prefix="mask-") as folder:
        scan, mask = Path(folder, "scan.nii.gz"), Path(folder, "scan_bet.nii.gz")
        sitk.WriteImage(image, str(scan))
        _run([program, *TOOLS[parameters.mask].arguments(scan, mask, parameters)], parameters.mask_timeout_s)
        remedy = "Try it on the scan by hand, or choose another preprocessing.mask"
        if not mask.is_file():
            raise InputError(Path(program).name, "it ended well but left no mask", remedy)
        found = read_scan(mask, constant_allowed=True).image
    if not grid_of(found).matches(grid_of(image)):
        raise InputError(Path(program).name, "its mask has other voxels than the scan", remedy)
    brain = sitk.NotEqual(found, 0)
    if not np.any(sitk.GetArrayViewFromImage(brain)):
        raise InputError(Path(program).name, "its mask is empty", remedy)
    return brain


def _run(command: list[str], timeout_s: float) -> None:
    """Run a program to its end, or end it and all it started.

    Raises:
        InputError: It failed (with its last word), or took too long.
    """
    name = Path(command[0]).name
    with tempfile.TemporaryFile() as words:
        # A session of its own: both programs start workers, which would outlive them and hold the run up.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True
        )
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            problem = f"it was stopped after {timeout_s:g} s"
            raise InputError(
                name, problem, "Raise preprocessing.mask_timeout_s, or lower preprocessing.workers"
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        words.seek(0)
        said = [line.strip() for line in words.read().decode(errors="replace").splitlines() if line.strip()]
    if status != 0:
        problem = f"it failed with status {status} ({said[-1] if said else 'without a word'})"
        raise InputError(name, problem, "Try it on the scan by hand, or choose another preprocessing.mask")
