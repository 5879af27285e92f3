"""What can be seen of an imputed volume, without the truth, that says how wrong it will be."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

NEAR_MM, FAR_MM = 2.0, 6.0
"""Standard deviations of the Gaussians over which is looked: about a cortical ribbon, and about a gyrus."""
RIM_MM = 4.0
"""Depth at which the rim of the mask counts for a third: partial volume and imperfect masks reach about that far."""
_FLOOR = 3e-3  # of logarithms: below one part in 300 of the unit range nothing is told apart


def feature_names(target: str, modalities: Sequence[str]) -> tuple[str, ...]:
    """What the rows of :func:`voxel_features` are.

    Args:
        target: The imputed contrast.
        modalities: All contrasts in channel order.
    """
    others = [name for name in modalities if name != target]
    return (
        *("spread_near", "spread_far", "gradient", "intensity", "intensity_squared"),
        *("input_gradient", "contrast_near", "rim"),
        *(f"{what}_{name}" for name in others for what in ("has", "value", "value_squared")),
    )


def depth_mm(mask: Bool[np.ndarray, "z y x"], spacing_mm: Sequence[float]) -> Float[np.ndarray, "z y x"]:
    """Distance in mm to the nearest voxel outside the mask; spacing (x, y, z)."""
    return ndimage.distance_transform_edt(mask, tuple(reversed(spacing_mm))).astype(np.float32)


def voxel_features(
    target: str,
    modalities: Sequence[str],
    imputed: Float[np.ndarray, "z y x"],
    spread: Float[np.ndarray, "z y x"],
    inputs: Float[np.ndarray, "modality z y x"],
    available: Bool[np.ndarray, " modality"],
    depth: Float[np.ndarray, "z y x"],
    spacing_mm: Sequence[float],
) -> Float[np.ndarray, "feature z y x"]:
    """The features of every voxel, each slice by itself: some slices of a volume give what all of them would.

    The spread, the gradient magnitude of the imputed contrast (per mm) and its local standard deviation, and the mean
    gradient magnitude of the inputs enter as logarithms, for errors grow in proportion; intensities with their squares,
    for both very dark and very bright tissue are hard.

    Args:
        target: The imputed contrast.
        modalities: All contrasts in channel order.
        imputed: The target in [0, 1].
        spread: Standard deviation of the method's answers there.
        inputs: What was given, in [0, 1]; channels that are not available are not looked at.
        available: Which were given.
        depth: From :func:`depth_mm`, of the whole volume.
        spacing_mm: Voxel size (x, y, z).

    Returns:
        float32, in the order of :func:`feature_names`.
    """
    in_plane = np.array(spacing_mm[1::-1])
    near, far = ((0.0, *(mm / in_plane)) for mm in (NEAR_MM, FAR_MM))
    given = [np.where(np.isfinite(inputs[c]), inputs[c], 0) for c in np.flatnonzero(available)]
    local_mean = ndimage.gaussian_filter(imputed, near)
    variance = ndimage.gaussian_filter(np.square(imputed), near) - np.square(local_mean)
    rows = [
        _log(ndimage.gaussian_filter(spread, near)),
        _log(ndimage.gaussian_filter(spread, far)),
        _log(_gradient(imputed, near, in_plane)),
        imputed,
        np.square(imputed),
        _log(np.mean([_gradient(image, near, in_plane) for image in given], axis=0)),
        _log(np.sqrt(variance.clip(min=0))),
        np.exp(-depth / RIM_MM),
    ]
    for channel, name in enumerate(modalities):
        if name != target:
            value = np.where(np.isfinite(inputs[channel]), inputs[channel], 0) if available[channel] else 0 * imputed
            rows += [np.full_like(imputed, available[channel]), value, np.square(value)]
    return np.stack(rows).astype(np.float32)


def _log(values: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
    return np.log(values + _FLOOR)


def _gradient(
    image: Float[np.ndarray, "z y x"], sigma: tuple[float, ...], in_plane: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, "z y x"]:
    """Magnitude of the in-plane gradient per mm, on the scale of a Gaussian (standard deviation in voxels)."""
    along_y, along_x = (ndimage.gaussian_filter(image, sigma, order=order) for order in ((0, 1, 0), (0, 0, 1)))
    return np.hypot(along_y / in_plane[0], along_x / in_plane[1])
