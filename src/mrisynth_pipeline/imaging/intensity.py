"""Intensities: bias field off, scanner units to [0, 1], and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import shrink_to

_N4_GRID_MM = 6.0  # the field is smooth: estimated on 6 mm voxels, applied at full resolution
_N4_ITERATIONS = [30, 30, 20]
_SMALLEST_STEP = 1e-6  # share of the range; knots closer than this are one, for a map must be undone in float32


@dataclass(frozen=True)
class IntensityMap:
    """An increasing, piecewise-linear map from scanner units to [0, 1].

    Args:
        scanner: Scanner values of the knots, increasing; what lies beyond the first or last is clipped.
        unit: What they become, increasing from 0 to 1.

    Raises:
        ValueError: The knots are not such a map.
    """

    scanner: tuple[float, ...]
    unit: tuple[float, ...]

    def __post_init__(self) -> None:
        increasing = all((np.diff(knots) > 0).all() for knots in (self.scanner, self.unit))
        ends = len(self.scanner) == len(self.unit) >= 2 and (self.unit[0], self.unit[-1]) == (0, 1)
        if not (increasing and ends and np.isfinite(self.scanner).all()):
            raise ValueError(f"no increasing map onto [0, 1]: {self.scanner} → {self.unit}")

    @classmethod
    def between(cls, low: float, high: float) -> "IntensityMap":
        """The straight line from ``low`` → 0 to ``high`` → 1; if they are one value, that becomes 1."""
        return cls((float(low) if high > low else float(high) - 1.0, float(high)), (0.0, 1.0))

    @classmethod
    def through(cls, scanner: Sequence[float], unit: Sequence[float]) -> "IntensityMap":
        """The map through knots of which some may coincide: those that do not rise are left out.

        Args:
            scanner: Scanner values, not decreasing.
            unit: What they become, not decreasing, from 0 to 1.
        """
        step = (scanner[-1] - scanner[0]) * _SMALLEST_STEP
        last = len(scanner) - 1
        kept = [0]
        for knot in range(1, last):
            clear_of_both = scanner[kept[-1]] + step < scanner[knot] < scanner[last] - step
            if clear_of_both and unit[kept[-1]] + _SMALLEST_STEP < unit[knot] < unit[last] - _SMALLEST_STEP:
                kept.append(knot)
        if len(kept) == 1:
            return cls.between(scanner[0], scanner[last])
        kept.append(last)
        return cls(tuple(float(scanner[knot]) for knot in kept), tuple(float(unit[knot]) for knot in kept))

    def record(self) -> dict[str, list[float]]:
        """The map, JSON-ready."""
        return {name: list(knots) for name, knots in asdict(self).items()}

    @classmethod
    def of(cls, record: Mapping[str, Sequence[float]]) -> "IntensityMap":
        """The map that was recorded."""
        return cls(tuple(record["scanner"]), tuple(record["unit"]))


def typical_map(maps: Sequence[IntensityMap]) -> IntensityMap:
    """The map whose knots are the medians of those of several maps, at all unit values that are knots of one of them.

    Args:
        maps: Of several scans of one contrast, at least one.
    """
    unit = np.unique(np.round([value for mapping in maps for value in mapping.unit], 6))
    scanner = np.median([np.interp(unit, mapping.unit, mapping.scanner) for mapping in maps], axis=0)
    return IntensityMap.through(scanner.tolist(), unit.tolist())


def correct_bias(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """Divide out the smooth receive-coil field (N4; Tustison et al., IEEE TMI 29, 2010).

    Args:
        image: float32 scan.
        mask: uint8 foreground in the scan's space. Inside the brain the field is found better and several times
            faster than inside the head, where fat and marrow add tissues of their own.

    Returns:
        The corrected scan on the same voxels.
    """
    coarse = shrink_to(image, _N4_GRID_MM)
    inside = sitk.Resample(mask, coarse, sitk.Transform(), sitk.sitkNearestNeighbor)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(_N4_ITERATIONS)
    n4.Execute(sitk.Cast(coarse, sitk.sitkFloat32), inside)
    field = sitk.Exp(sitk.Cast(n4.GetLogBiasFieldAsImage(image), sitk.sitkFloat32))
    return sitk.Cast(image / field, sitk.sitkFloat32)


def to_unit(volume: NDArray[np.float32], mask: NDArray[np.bool_], mapping: IntensityMap) -> NDArray[np.float32]:
    """Scanner units to [0, 1], clipped to the map's ends inside the mask, exactly 0 outside.

    Args:
        volume: Scanner values ``[z, y, x]``.
        mask: Foreground ``[z, y, x]``.
        mapping: The map.
    """
    if len(mapping.scanner) > 2:
        unit = np.zeros(volume.shape, dtype=np.float32)
        unit[mask] = np.interp(volume[mask], mapping.scanner, mapping.unit)
        return unit
    low, high = mapping.scanner
    unit = np.clip((volume - low) / (high - low), 0.0, 1.0)
    return np.where(mask, unit, 0.0).astype(np.float32)


def from_unit(volume: NDArray[np.float32], mapping: IntensityMap) -> NDArray[np.float32]:
    """Undo :func:`to_unit` up to its clipping.

    Args:
        volume: Values in [0, 1], ``[z, y, x]``.
        mapping: The map that was applied.
    """
    if len(mapping.scanner) > 2:
        return np.interp(volume, mapping.unit, mapping.scanner).astype(np.float32)
    low, high = mapping.scanner
    return (low + volume * (high - low)).astype(np.float32)
