"""How well a tumour or a tissue is outlined: Dice, 95th-percentile Hausdorff distance and volumes per region."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Integer
from monai.metrics import compute_dice, compute_hausdorff_distance

from mrisynth_pipeline.cohorts.modalities import TISSUES, TUMOUR_REGIONS

_TISSUE_REGIONS = {name: (label,) for name, label in TISSUES.items()}


def tumour_scores(
    prediction: Integer[np.ndarray, "z y x"],
    target: Integer[np.ndarray, "z y x"],
    spacing_mm: Sequence[float],
) -> dict[str, dict[str, float]]:
    """Dice and HD95 of whole tumour (WT), tumour core (TC) and enhancing tumour (ET).

    An empty region follows the rule of BraTS: absent in truth and prediction is a full success (Dice 1,
    HD95 0); a false alarm or a missed region has Dice 0, and its HD95 is NaN, since no distance exists.
    (BraTS itself writes 374 mm there, the diagonal of its grid; a mean over such penalties says little about
    distances, so summaries report the defined ones and count the others.)

    Args:
        prediction: Label map with the internal labels (1 necrotic core, 2 oedema, 3 enhancing tumour).
        target: Label map of the rater, same shape and labels.
        spacing_mm: Voxel size along the array's axes (z, y, x), in mm.

    Returns:
        Region → ``dice`` in [0, 1] and ``hd95_mm``: of the two directed 95th percentiles of the distances
        between the surfaces the larger one, as in MONAI.

    Raises:
        ValueError: Shapes differ, or spacing does not have one positive value per axis.
    """
    return _scores(prediction, target, spacing_mm, TUMOUR_REGIONS)


def tissue_scores(
    prediction: Integer[np.ndarray, "z y x"],
    target: Integer[np.ndarray, "z y x"],
    spacing_mm: Sequence[float],
) -> dict[str, dict[str, float]]:
    """Dice and HD95 of grey matter, white matter and CSF; as :func:`tumour_scores`, with the labels of ``TISSUES``."""
    return _scores(prediction, target, spacing_mm, _TISSUE_REGIONS)


def tumour_volumes(
    prediction: Integer[np.ndarray, "z y x"],
    target: Integer[np.ndarray, "z y x"],
    spacing_mm: Sequence[float],
) -> dict[str, dict[str, float]]:
    """How much of each region (WT, TC, ET) was found, is there, was invented and was overlooked.

    Args:
        prediction: Label map with the internal labels, as in :func:`tumour_scores`.
        target: Label map of the rater, same shape and labels; all 0 in a healthy subject.
        spacing_mm: Voxel size along the array's axes (z, y, x), in mm.

    Returns:
        Region → volumes in mL: ``predicted_ml``, ``true_ml``, ``false_ml`` (predicted where the rater saw nothing of
        that region) and ``missed_ml`` (the other way round). A voxel of the wrong part of a tumour is false in one
        region and missed in another.

    Raises:
        ValueError: Shapes differ, or spacing does not have one positive value per axis.
    """
    return _volumes(prediction, target, spacing_mm, TUMOUR_REGIONS)


def tissue_volumes(
    prediction: Integer[np.ndarray, "z y x"],
    target: Integer[np.ndarray, "z y x"],
    spacing_mm: Sequence[float],
) -> dict[str, dict[str, float]]:
    """Volumes of grey matter, white matter and CSF; as :func:`tumour_volumes`, with the labels of ``TISSUES``."""
    return _volumes(prediction, target, spacing_mm, _TISSUE_REGIONS)


def _scores(
    prediction: np.ndarray, target: np.ndarray, spacing_mm: Sequence[float], regions: Mapping[str, tuple[int, ...]]
) -> dict[str, dict[str, float]]:
    """Dice and HD95 (mm) per region, which is a set of labels."""
    _check(prediction, target, spacing_mm)
    return {
        region: _region_scores(np.isin(prediction, labels), np.isin(target, labels), spacing_mm)
        for region, labels in regions.items()
    }


def _volumes(
    prediction: np.ndarray, target: np.ndarray, spacing_mm: Sequence[float], regions: Mapping[str, tuple[int, ...]]
) -> dict[str, dict[str, float]]:
    """Volumes (mL) per region, which is a set of labels."""
    _check(prediction, target, spacing_mm)
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    volumes = {}
    for region, labels in regions.items():
        found, real = np.isin(prediction, labels), np.isin(target, labels)
        volumes[region] = {
            "predicted_ml": int(found.sum()) * voxel_ml,
            "true_ml": int(real.sum()) * voxel_ml,
            "false_ml": int((found & ~real).sum()) * voxel_ml,
            "missed_ml": int((real & ~found).sum()) * voxel_ml,
        }
    return volumes


def _check(prediction: np.ndarray, target: np.ndarray, spacing_mm: Sequence[float]) -> None:
    """Refuse maps that do not fit each other."""
    if prediction.shape != target.shape:
        raise ValueError(f"prediction is {prediction.shape} but the rater's map is {target.shape}")
    if len(spacing_mm) != target.ndim or min(spacing_mm) <= 0:
        raise ValueError(f"spacing_mm must be {target.ndim} positive values (z, y, x), got {tuple(spacing_mm)}")


def _region_scores(prediction: np.ndarray, target: np.ndarray, spacing_mm: Sequence[float]) -> dict[str, float]:
    """Dice and HD95 (mm) of one binary region."""
    outlined, real = (torch.from_numpy(mask)[None, None] for mask in (prediction, target))
    # MONAI's default leaves a region out wherever the rater drew nothing, so that a false alarm costs
    # nothing; ignore_empty=False gives 1 when both are empty and 0 for a false alarm, as BraTS does.
    dice = float(compute_dice(outlined, real, include_background=True, ignore_empty=False))
    return {"dice": dice, "hd95_mm": _hd95(outlined, real, spacing_mm)}


def _hd95(outlined: torch.Tensor, real: torch.Tensor, spacing_mm: Sequence[float]) -> float:
    """HD95 in mm; 0 if both regions are empty, NaN if one is."""
    if not outlined.any() and not real.any():
        return 0.0
    if not outlined.any() or not real.any():
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI calling its own deprecated argument
        distance = compute_hausdorff_distance(
            outlined, real, include_background=True, percentile=95, spacing=tuple(spacing_mm)
        )
    return float(distance)
