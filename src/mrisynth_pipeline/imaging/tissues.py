"""Which tissue a voxel is: from what the phantom knows of itself, else from a T1 alone, roughly."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from sklearn.mixture import GaussianMixture

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import TISSUES
from mrisynth_pipeline.imaging.geometry import Grid, resample, smooth_for
from mrisynth_pipeline.imaging.scan import read_scan
from mrisynth_pipeline.imaging.subject_file import SubjectFile

TRUTH, MIXTURE = "the phantom's own tissue shares", "three-class Gaussian mixture of the T1"
"""Where a tissue map comes from."""

_BY_T1 = ("csf", "grey", "white")
"""From dark to bright on a T1."""
_FITTED_VOXELS = 50_000  # a mixture of three Gaussians in one dimension has eight numbers: more voxels change none
_SMALLEST_VARIANCE = 1e-4  # (0.01)²: keeps a class from shrinking onto the spikes where intensities were clipped


def tissue_map(file: SubjectFile, truth_folder: Path | None) -> tuple[UInt8[np.ndarray, "z y x"] | None, str]:
    """Grey matter, white matter and CSF of a subject on its model grid.

    Args:
        file: The subject.
        truth_folder: Of a study of the phantom the folder of its truth
            (:func:`~mrisynth_pipeline.cohorts.phantom.cohort.truth_dir`), with a folder per subject; ``None``, or
            without this subject: the tissues are guessed from the T1.

    Returns:
        The map, with the labels of :data:`.TISSUES` inside the subject's mask and 0 elsewhere, and where it comes from
        (:data:`TRUTH` or :data:`MIXTURE`); or ``None`` and why there is no map.

    Raises:
        InputError: The truth is there but not whole, or of other scans.
    """
    subject = file.metadata["subject"]
    if truth_folder is not None and (Path(truth_folder) / subject).is_dir():
        return true_tissues(file, Path(truth_folder) / subject), TRUTH
    modalities = file.metadata["modalities"]
    if "t1" not in modalities or not file.present[modalities.index("t1")]:
        return None, "there is no T1 to tell the tissues by"
    inside, labels = file.mask(), file.segmentation()
    if labels is not None:
        inside &= labels == 0
    if not inside.any():
        return None, "the mask holds no healthy tissue"
    return mixture_tissues(file.volumes()[modalities.index("t1")], inside), MIXTURE


def true_tissues(file: SubjectFile, truth: Path) -> UInt8[np.ndarray, "z y x"]:
    """The tissue with the largest share of a voxel, where all three together fill half of it.

    Of a phantom it is known where the head lay in every scan, so the shares are brought from the scan they were drawn
    on to the scan that the subject's grid follows without any registration, and an error of the subject's registration
    does not move them.

    Args:
        file: The subject, prepared from the phantom's scans.
        truth: The subject's folder of the phantom's truth.

    Returns:
        Labels of :data:`.TISSUES` on the subject's grid, 0 outside its mask.

    Raises:
        InputError: A file of the truth is missing or damaged, or it does not know the scan that the grid follows.
    """
    about, reference = file.metadata, file.metadata["reference"]
    remedy = "Run the phantom pipeline again, and preprocessing after it"
    try:
        known = json.loads((truth / "transforms.json").read_text())
        to_scan = {name: np.array(matrix) for name, matrix in known["transforms"].items()}
        matrix = to_scan[known["reference"]] @ np.linalg.inv(to_scan[reference])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(truth, f"does not tell how the head lay in the {reference} scan ({error})", remedy) from error
    matrix = matrix @ np.array(about["transforms"][reference])
    grid = Grid(file.shape[:0:-1], np.array(about["grid_affine"]))
    shares = []
    for name in TISSUES:
        image = smooth_for(read_scan(truth / f"{name}.nii.gz").image, grid.spacing)
        shares.append(resample(image, grid, matrix))
    stack = np.stack(shares)
    return _labelled(stack.argmax(axis=0), tuple(TISSUES)) * ((stack.sum(axis=0) >= 0.5) & file.mask())


def mixture_tissues(
    t1: Float[np.ndarray, "z y x"], inside: Bool[np.ndarray, "z y x"], seed: int = 0
) -> UInt8[np.ndarray, "z y x"]:
    """Three Gaussians in the histogram of a T1 (Wells et al., IEEE TMI 1996, without their bias field): rough.

    It knows nothing of anatomy: voxels on the border of white matter and CSF count as grey, vessels, dura and what else
    is dark in the mask as CSF. On the 24 phantoms of ``conf/base`` (2 mm; ``benchmarks/tissue_maps.py``) its mean Dice
    with the truth is 0.84 for grey, 0.91 for white and only 0.42 for CSF: of that it finds nearly all and as much again
    in the rim of the mask, where the phantom has no tissue (0.60 without the rim), and in the sulci.

    Args:
        t1: T1-weighted volume without contrast agent, in [0, 1].
        inside: Brain without tumour.
        seed: Seed of the voxels that are fitted and of the start.

    Returns:
        Labels of :data:`.TISSUES`, 0 outside: CSF is the darkest class, white matter the brightest.
    """
    values = t1[inside].astype(np.float64)[:, None]
    generator = np.random.default_rng(seed)
    fitted = values if len(values) <= _FITTED_VOXELS else generator.choice(values, _FITTED_VOXELS, replace=False)
    mixture = GaussianMixture(len(_BY_T1), reg_covar=_SMALLEST_VARIANCE, random_state=seed).fit(fitted)
    rank = np.argsort(np.argsort(mixture.means_[:, 0]))
    tissues = np.zeros(t1.shape, np.uint8)
    tissues[inside] = _labelled(rank[mixture.predict(values)], _BY_T1)
    return tissues


def _labelled(position: np.ndarray, names: tuple[str, ...]) -> UInt8[np.ndarray, "..."]:
    """Positions in a list of tissues as labels."""
    return np.array([TISSUES[name] for name in names], np.uint8)[position]
