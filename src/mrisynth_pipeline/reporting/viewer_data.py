"""Volumes for the slice viewer of a page: cropped, of bounded size, one byte per voxel, as text.

What the viewer reads is a JSON object: ``shape`` (z, y, x), ``spacing`` (x, y, z) in mm, ``voxels`` (see :func:`pack`)
and names per volume, which two are shown first, the expected error at byte 255, and a colour map.
"""

import base64
import zlib
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float, UInt8
from skimage.transform import resize

from mrisynth_pipeline.reporting.style import modality_label
from mrisynth_pipeline.reporting.subject_view import SubjectView

VOXELS_PER_PAGE = 24_000_000
"""All volumes of a page together are shrunk to at most so many voxels. Packed, a voxel takes half a character or so."""

COLOUR_MAP = "inferno"
"""Of expected errors: perceptually uniform, dark where the error is small, and that of every error map of the house."""

_MARGIN = 2  # voxels left around the mask
_SCALE_TOPS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)  # round ends for the scale of expected errors


def viewer_data(view: SubjectView, voxels_per_page: int = VOXELS_PER_PAGE) -> dict[str, Any]:
    """What the viewer of a page reads.

    Args:
        view: The subject.
        voxels_per_page: At most so many voxels in all; above, the volumes are resampled to larger ones.
    """
    box = bounding_box(view.mask)
    arrays = len(view.volumes) + len(view.expected_error) + len(view.truths)
    cropped = view.mask[box].shape
    shape = _fitting(cropped, voxels_per_page // arrays)
    top = error_top(view)
    imputed = {entry.contrast for entry in view.imputed}
    volumes = []
    for name in view.contrasts():
        label = modality_label(name)
        entry = {"name": name, "label": f"{label}, imputed" if name in imputed else f"{label}, scanned"}
        entry["voxels"] = pack(as_bytes(_resized(view.volumes[name][box], shape)))
        if name in view.expected_error:
            entry["error"] = pack(as_bytes(_resized(view.expected_error[name][box], shape) / top))
        volumes.append(entry)
    for name, truth in view.truths.items():
        label = f"{modality_label(name)}, scanned, withheld from the model"
        volumes.append({"name": name, "label": label, "voxels": pack(as_bytes(_resized(truth[box], shape)))})
    enlarged = np.divide(cropped, shape)[::-1]  # (x, y, z)
    return {
        "shape": list(shape),
        "spacing": [float(value) for value in np.multiply(view.spacing_mm, enlarged)],
        "volumes": volumes,
        "firstShown": [len(volumes) - len(view.truths) if view.truths else 0, len(view.inputs)],
        "errorTop": top,
        "colours": pack(colours()),
    }


def pack(array: UInt8[np.ndarray, "..."]) -> str:
    """Bytes in C order (x runs fastest), as a zlib stream in base64: what ``DecompressionStream("deflate")`` reads."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), level=9)).decode()


def as_bytes(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """[0, 1] in 256 steps; what lies beyond is clipped, what is no number becomes 0."""
    return np.round(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)


def bounding_box(mask: Bool[np.ndarray, "z y x"]) -> tuple[slice, slice, slice]:
    """The part of the grid that the mask fills, with a small margin; all of it if the mask is empty."""
    if not mask.any():
        return (slice(None), slice(None), slice(None))
    box = []
    for axis, size in enumerate(mask.shape):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(max(int(filled[0]) - _MARGIN, 0), min(int(filled[-1]) + _MARGIN + 1, size)))
    return box[0], box[1], box[2]


def error_top(view: SubjectView) -> float:
    """Expected error at the bright end of the one scale of a page: round, passed by one in 200 voxels at most."""
    inside = [error[view.mask] for error in view.expected_error.values()]
    largest = max((float(np.quantile(values, 0.995)) for values in inside if values.size), default=0.0)
    return next((top for top in _SCALE_TOPS if largest <= top), _SCALE_TOPS[-1])


def colours() -> UInt8[np.ndarray, "256 3"]:
    """Red, green and blue of every step of :data:`COLOUR_MAP`."""
    return as_bytes(mpl.colormaps[COLOUR_MAP](np.arange(256))[:, :3])


def _fitting(shape: tuple[int, ...], voxels: int) -> tuple[int, ...]:
    """The shape itself, or the largest in its proportions that has at most so many voxels."""
    scale = min(1.0, (voxels / np.prod(shape)) ** (1 / 3))
    return tuple(max(1, int(size * scale)) for size in shape)


def _resized(volume: Float[np.ndarray, "z y x"], shape: tuple[int, ...]) -> Float[np.ndarray, "a b c"]:
    """Linear interpolation of the smoothed volume, so that fine structures fade rather than alias."""
    if volume.shape == shape:
        return volume
    return resize(volume.astype(np.float32), shape, order=1, anti_aliasing=True)
