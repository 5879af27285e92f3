"""Checks one scan file from its bytes to its voxel values, and puts every fault into a plain sentence.

Nothing here raises for a bad file: one broken scan among thousands must cost that scan, not the run.
"""

import gzip
import hashlib
import warnings
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.volumes import open_volume

CHECK_VERSION = 1
"""Raised whenever the checks below change: results of earlier versions then count for nothing."""

SPACING_RANGE_MM = (0.1, 10.0)
"""Voxel sizes outside are slips of unit or header: clinical head MRI has 0.2 mm to about 7 mm."""
MIN_VOXELS = 8
"""Fewer along an axis is a localiser or a single slice, not a volume to register or to synthesise."""

_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_NRRD_MAGIC = b"NRRD"
_PLACEMENTS_AGREE_MM = 0.5
"""sform and qform may differ by rounding; half a millimetre in a corner is more than that."""
_NIFTI_FIRST_FIELD = tuple(
    size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big")
)  # sizeof_hdr of NIfTI-1 and NIfTI-2


@dataclass(frozen=True)
class ScanCheck:
    """What the check learnt about one file; fields it did not get to are empty."""

    sha256: str = ""
    """Of the file as stored (compressed, if it is)."""
    shape: tuple[int, ...] = ()
    """Voxels along (x, y, z)."""
    spacing_mm: tuple[float, ...] = ()
    """Voxel size along (x, y, z)."""
    orientation: str = ""
    """Anatomical direction in which each index grows, e.g. ``LPS``."""
    affine: tuple[tuple[float, ...], ...] = ()
    """4×4, voxel index (x, y, z) → RAS mm."""
    intensity_min: float = float("nan")
    """Smallest finite value."""
    intensity_max: float = float("nan")
    """Largest finite value."""
    tissue_ml: float = float("nan")
    """Volume of the voxels above 0 in mL: of a skull-stripped scan that of the brain."""
    problems: tuple[str, ...] = ()
    """One sentence per fault, with file, problem and remedy; empty for a sound file."""
    remarks: tuple[str, ...] = ()
    """One sentence per oddity that is no reason to refuse the file."""


@dataclass(frozen=True)
class ScanTask:
    """One call of ``check_scan``; small enough that thousands may wait in a queue."""

    path: Path
    label_values: frozenset[int] | None = None
    volume: int | None = None


def check_scan(path: Path, label_values: Collection[int] | None = None, volume: int | None = None) -> ScanCheck:
    """Check one scan file. Never raises for a bad file. Holds one volume in memory.

    Args:
        path: The file, NIfTI or NRRD.
        label_values: For a label map, the values it may hold; ``None`` for a scan.
        volume: Which volume of a 4-D file, from 0.

    Returns:
        What was learnt, with a sentence for each problem.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return ScanCheck(
            problems=(sentence(path, f"cannot be opened ({error.strerror})", "Check link and permissions"),)
        )
    try:
        if fault := _container_fault(path):
            return ScanCheck(sha256, problems=(sentence(path, *fault),))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _check_image(path, sha256, label_values, volume)
    except Exception as error:  # headers can lie in more ways than can be listed
        problem = f"cannot be read ({type(error).__name__}: {error})"
        return ScanCheck(sha256, problems=(sentence(path, problem, "Download or convert it again"),))


def sentence(path: Path, problem: str, remedy: str) -> str:
    """One line naming file, problem and remedy, free of the ``"; "`` that separates them in a manifest."""
    problem = problem.replace(str(path), path.name)  # libraries name the folder, which differs between machines
    words = str(InputError(path.name, problem, remedy)).replace(";", ",").split()
    line = " ".join(words)
    return line if len(line) <= 400 else f"{line[:200]} … {line[-190:]}"  # errors of libraries can run on


_NOT_NRRD = ("name and content disagree on whether it is an NRRD file", "Rename it, or convert it from its source")


def _container_fault(path: Path) -> tuple[str, str] | None:
    """Problem and remedy of a file that is not whole or not what its name says, before its header is looked at."""
    with path.open("rb") as file:
        head = file.read(64)
    compressed, named_compressed = head.startswith(_GZIP_MAGIC), path.name.endswith(".gz")
    plain_nifti = head.startswith(_NIFTI_FIRST_FIELD)
    if not head:
        return "the file is empty (0 bytes)", "Download or copy it again"
    if head.startswith(_NRRD_MAGIC) or path.name.endswith(".nrrd"):
        return None if head.startswith(_NRRD_MAGIC) and path.name.endswith(".nrrd") else _NOT_NRRD
    if compressed and not named_compressed:
        return "is gzip-compressed but its name ends in .nii", "Rename it to .nii.gz"
    if plain_nifti and named_compressed:
        return "is not compressed but its name ends in .nii.gz", "Rename it to .nii"
    if not compressed and not plain_nifti:
        start = head.decode("ascii", errors="replace").split("\n")[0][:32]
        seen = f"a text file starting with {start!r}" if start.isascii() and start.isprintable() else "something else"
        return f"is not a NIfTI file but {seen}", "Download it again, or convert it from its source"
    if compressed:
        try:  # nibabel stops at the last voxel and would not see the checksum behind it
            with gzip.open(path) as stream:
                while stream.read(_CHUNK_BYTES):
                    pass
        except EOFError:
            return "the gzip stream ends early: the file is truncated", "Download or copy it again"
        except (OSError, zlib.error) as error:
            return f"the gzip stream is corrupt ({error})", "Download or copy it again"
    return None


def _check_image(path: Path, sha256: str, label_values: Collection[int] | None, volume: int | None) -> ScanCheck:
    """Check header and voxels of a complete file."""
    try:
        image = open_volume(path, volume)
    except ValueError as error:  # ours: a 4-D file without that volume
        return ScanCheck(sha256, problems=(sentence(path, str(error), "Download or convert it again"),))
    except nib.filebasedimages.ImageFileError as error:
        return ScanCheck(sha256, problems=(sentence(path, f"is not a NIfTI file ({error})", "Convert it again"),))
    if not isinstance(image, nib.Nifti1Image):  # NIfTI-2 is a subclass
        problem = f"is not a NIfTI file but {type(image).__name__}"
        return ScanCheck(sha256, problems=(sentence(path, problem, "Convert it to NIfTI"),))

    faults = _grid_faults(image)
    geometry = _describe_grid(image)
    low = high = tissue_ml = float("nan")
    if image.get_data_dtype().kind not in "iuf":
        name = "RGB or structured" if image.get_data_dtype().kind == "V" else str(image.get_data_dtype())
        faults.append((f"has {name} voxels, not one real number per voxel", "Convert it to a scalar magnitude image"))
    elif len(_spatial_shape(image.shape)) != 3:
        pass  # a time series can be many volumes large, and is refused anyway
    else:
        try:
            voxels = np.asanyarray(image.dataobj)
        except (OSError, ValueError, EOFError) as error:
            problem = f"its voxels cannot be read, the file is truncated or corrupt ({error})"
            faults.append((problem, "Download or copy it again"))
        else:
            low, high = _finite_range(voxels)
            tissue_ml = round(float(np.count_nonzero(voxels > 0) * abs(np.linalg.det(image.affine[:3, :3]))) / 1000, 1)
            faults += (
                _scan_value_faults(voxels, low, high) if label_values is None else _label_faults(voxels, label_values)
            )
    return ScanCheck(
        sha256,
        **geometry,
        intensity_min=low,
        intensity_max=high,
        tissue_ml=tissue_ml,
        problems=tuple(sentence(path, *fault) for fault in faults),
        remarks=tuple(sentence(path, *remark) for remark in _header_remarks(image)),
    )


def _header_remarks(image: nib.Nifti1Image) -> list[tuple[str, str]]:
    """What is odd about a header, though usable."""
    header = image.header
    if not (header["sform_code"] and header["qform_code"]):
        return []
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    corners[:, :3] *= np.asarray(_spatial_shape(image.shape)[:3]) - 1
    difference = (corners @ (header.get_sform() - header.get_qform()).T)[:, :3]
    distance = float(np.linalg.norm(difference, axis=1).max())
    if not distance > _PLACEMENTS_AGREE_MM:
        return []
    mirrored = np.linalg.det(header.get_sform()[:3, :3]) * np.linalg.det(header.get_qform()[:3, :3]) < 0
    side = ", and disagree about left and right" if mirrored else ""
    problem = f"its sform and qform place its voxels up to {distance:.1f} mm apart{side} (the sform is used)"
    return [(problem, "Find out which is right and set both to it")]


def _describe_grid(image: nib.Nifti1Image) -> dict[str, Any]:
    """Shape, spacing, orientation and affine as the fields of ``ScanCheck``."""
    affine = image.affine
    codes = nib.aff2axcodes(affine) if np.isfinite(affine).all() else ()
    return {
        "shape": _spatial_shape(image.shape),
        "spacing_mm": tuple(float(size) for size in nib.affines.voxel_sizes(affine)),
        "orientation": "".join(code or "?" for code in codes),
        "affine": tuple(tuple(float(value) for value in row) for row in affine),
    }


def _spatial_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape without the trailing axes of length one that some converters add to a volume."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return tuple(int(size) for size in shape)


def _grid_faults(image: nib.Nifti1Image) -> list[tuple[str, str]]:
    """Problems of the header: axes, placement in space, voxel size."""
    faults = []
    shape, affine = _spatial_shape(image.shape), image.affine
    shown = "x".join(map(str, shape))
    if len(shape) != 3:
        faults.append((f"is {len(shape)}-D ({shown}), a 3-D volume is expected", "Extract one volume per contrast"))
    elif min(shape) < MIN_VOXELS:
        faults.append(
            (
                f"has {min(shape)} voxels along an axis ({shown}), at least {MIN_VOXELS} are needed",
                "Leave it out",
            )
        )
    if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
        problem = "has no usable header: neither sform nor qform say where the voxels lie"
        faults.append((problem, "Convert it again from DICOM, or leave it out"))
    spacing = nib.affines.voxel_sizes(affine)
    low, high = SPACING_RANGE_MM
    if not np.isfinite(affine).all() or not spacing.all() or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        faults.append(("its affine cannot be inverted", "Convert it again from DICOM, or leave it out"))
    elif spacing.min() < low or spacing.max() > high:
        sizes = "x".join(f"{size:.3g}" for size in spacing)
        problem = f"has voxels of {sizes} mm, sane sizes are {low:g} to {high:g} mm"
        faults.append((problem, "Correct the voxel size in its header or convert it again"))
    return faults


def _finite_range(voxels: np.ndarray) -> tuple[float, float]:
    """Smallest and largest finite value, to 6 significant digits (so that a CSV brings back the same)."""
    if voxels.dtype.kind == "f":
        finite = np.isfinite(voxels)
        low = np.min(voxels, where=finite, initial=np.inf)
        high = np.max(voxels, where=finite, initial=-np.inf)
        if low > high:
            return float("nan"), float("nan")
    else:
        low, high = voxels.min(), voxels.max()
    return float(f"{low:.6g}"), float(f"{high:.6g}")


def _scan_value_faults(voxels: np.ndarray, low: float, high: float) -> list[tuple[str, str]]:
    """Problems of the voxel values of a scan."""
    faults = []
    if voxels.dtype.kind == "f" and (count := int(voxels.size - np.isfinite(voxels).sum())):
        problem = f"{count} of {voxels.size} voxels are NaN or infinite"
        faults.append((problem, "Set them to 0 if they lie outside the head, else leave the scan out"))
    if low == high:
        faults.append((f"every voxel is {low:g}: the volume is constant", "Download or convert it again"))
    return faults


def _label_faults(voxels: np.ndarray, label_values: Collection[int]) -> list[tuple[str, str]]:
    """Problems of the voxel values of a label map. An empty map is sound: not every patient has a tumour."""
    values = np.sort(pd.unique(voxels.ravel()))
    expected = ", ".join(map(str, sorted(label_values)))
    remedy = f"Relabel it to {expected} or take the label map away (the scans stay usable without it)"
    fractional = [value for value in values if not float(value).is_integer()]
    if fractional:
        shown = ", ".join(f"{value:g}" for value in fractional[:5])
        problem = f"has {len(fractional)} label values that are no whole numbers (such as {shown})"
        return [(problem, f"It may have been resampled with interpolation: use nearest neighbour. {remedy}")]
    unknown = [int(value) for value in values if int(value) not in label_values]
    if unknown:
        shown = ", ".join(map(str, unknown[:10]))
        return [(f"has unknown label values {shown} (known: {expected})", remedy)]
    return []
