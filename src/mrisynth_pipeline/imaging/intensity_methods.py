"""How a scan's own histogram decides which scanner values become which values in [0, 1]."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import ULTRASOUND
from mrisynth_pipeline.imaging.intensity import IntensityMap
from mrisynth_pipeline.imaging.parameters import IntensityParameters

if TYPE_CHECKING:
    from intensity_normalization.normalizers.population.nyul import NyulNormalizer

Standard = Mapping[str, Sequence[float]]
"""Contrast → what the landmarks of its histogram become, from 0 to 1 (Nyúl's standard scale)."""

DESCRIPTIONS = {
    "percentile": "percentiles inside the mask to 0 and 1, linear between, clipped; background exactly 0",
    "zscore": "mean less and plus standard deviations inside the mask to 0 and 1, linear between, clipped; "
    "background exactly 0",
    "white_matter": "0 to 0 and the peak of white matter to a fixed value, linear, clipped; background exactly 0",
    "nyul": "percentile landmarks inside the mask to the training subjects' mean landmarks (Nyúl and Udupa), "
    "piecewise linear, clipped; background exactly 0",
}
"""Method → what a model card says of it."""

_PEAK_VOXELS = 200_000  # the density is smooth: more voxels cost seconds and do not move its peak
_DARK_TAIL_PERCENT = 4.0
# White matter is the brightest tissue of T1, the darkest of PD. In T2 and FLAIR it shares one big peak with grey
# matter: what is fixed there is brain tissue.
_PEAK_RULES = {"t1": "t1", "t1c": "t1", "t2": "t2", "flair": "flair", "pd": "pd"}


def intensity_map(
    contrast: str,
    volume: NDArray[np.float32],
    mask: NDArray[np.bool_],
    parameters: IntensityParameters,
    standard: Standard,
) -> IntensityMap:
    """The map of one scan to [0, 1].

    Args:
        contrast: Which contrast it is.
        volume: Scanner values ``[z, y, x]``.
        mask: Foreground ``[z, y, x]``; must not be empty.
        parameters: Which method, and its settings.
        standard: For ``nyul``: what its landmarks become; other methods do not look at it.

    Returns:
        The map; a constant foreground becomes 1, whatever the method.

    Raises:
        InputError: The method cannot work on this contrast.
    """
    values = volume[mask]
    if parameters.method == "percentile" or values.min() == values.max():
        return IntensityMap.between(*_ends(values, parameters))
    methods: dict[str, Callable[[], IntensityMap]] = {
        "zscore": lambda: _by_spread(values, parameters),
        "white_matter": lambda: _by_white_matter(contrast, values, parameters),
        "nyul": lambda: _by_landmarks(contrast, values, parameters, standard),
    }
    return methods[parameters.method]()


def clipped_share(volume: NDArray[np.float32], mask: NDArray[np.bool_], mapping: IntensityMap) -> float:
    """Share of the foreground that lies beyond the map's ends."""
    values = volume[mask]
    return float(np.mean((values < mapping.scanner[0]) | (values > mapping.scanner[-1])))


def nyul(parameters: IntensityParameters) -> "NyulNormalizer":
    """Nyúl and Udupa's histogram landmarks: the two ends and the deciles between them, onto [0, 1].

    L. G. Nyúl and J. K. Udupa, Magnetic Resonance in Medicine 42, 1999; with the deciles of M. Shah et al.,
    Medical Image Analysis 15, 2011.
    """
    from intensity_normalization.normalizers.population.nyul import NyulNormalizer  # 1.5 s: only where needed

    return NyulNormalizer(
        output_min_value=0.0,
        output_max_value=1.0,
        min_percentile=parameters.lower_percentile,
        max_percentile=parameters.upper_percentile,
    )


def white_matter_peak(contrast: str, values: NDArray[np.float32]) -> float:
    """The scanner value of white matter, by the peaks of a kernel density estimate.

    J. C. Reinhold et al., "Evaluating the impact of intensity normalization on MR image synthesis", SPIE Medical
    Imaging 2019.

    Args:
        contrast: Which contrast: it decides which peak.
        values: Foreground voxels, not constant. Those that are not above 0 are holes, not tissue.

    Raises:
        InputError: There is no such peak.
    """
    from intensity_normalization.adapters.images import NumpyImageAdapter
    from intensity_normalization.domain.exceptions import NormalizationError
    from intensity_normalization.domain.models import Modality
    from intensity_normalization.normalizers.individual.kde import KDENormalizer

    tissue = values[values > 0]
    if _PEAK_RULES[contrast] == "pd" and tissue.size:
        # The library takes off the bright tail before it looks for T1's last peak, but not the dark one before it
        # looks for PD's first: a few voxels of bone or noise would be taken for white matter.
        tissue = tissue[tissue > np.percentile(tissue, _DARK_TAIL_PERCENT)]
    tissue = tissue[:: math.ceil(len(tissue) / _PEAK_VOXELS) or 1].astype(np.float64)
    # The library's bandwidth, meant as an 80th of the maximum, is multiplied by the standard deviation on its way
    # through scipy: on raw values (deviations of hundreds) it smooths all peaks into one. In units of the standard
    # deviation it is what it was meant to be.
    scale = float(tissue.std()) if tissue.size else 0.0
    try:
        normalizer = KDENormalizer(Modality(_PEAK_RULES[contrast]))
        peak = normalizer.fit(NumpyImageAdapter(tissue / scale)).tissue_mode if scale > 0 else None
    except NormalizationError:
        peak = None
    if peak is None or not peak > 0:
        remedy = "Look at the scan and its mask, or choose another preprocessing.intensity.method"
        raise InputError(contrast, "no peak of white matter was found in its histogram", remedy)
    return peak * scale


def _ends(values: NDArray[np.float32], parameters: IntensityParameters) -> tuple[float, float]:
    """The two percentiles."""
    low, high = np.percentile(values, [parameters.lower_percentile, parameters.upper_percentile])
    return float(low), float(high)


def _by_spread(values: NDArray[np.float32], parameters: IntensityParameters) -> IntensityMap:
    """Mean − ``lower_sd`` standard deviations → 0, mean + ``upper_sd`` → 1."""
    mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    return IntensityMap.between(mean - parameters.lower_sd * deviation, mean + parameters.upper_sd * deviation)


def _by_white_matter(contrast: str, values: NDArray[np.float32], parameters: IntensityParameters) -> IntensityMap:
    """0 → 0, white matter → its fixed value."""
    if contrast == ULTRASOUND:
        remedy = "Choose another preprocessing.intensity.method, such as percentile"
        raise InputError(contrast, "speckle has no peak of white matter", remedy)
    if contrast not in parameters.white_matter_value:
        where = "preprocessing.intensity.white_matter_value"
        raise InputError(where, f"it names no value for {contrast}", "Add one between 0 and 1")
    value = parameters.white_matter_value[contrast]
    peak = white_matter_peak(contrast, values)
    return IntensityMap.through((0.0, peak, peak / value), (0.0, value, 1.0))


def _by_landmarks(
    contrast: str, values: NDArray[np.float32], parameters: IntensityParameters, standard: Standard
) -> IntensityMap:
    """The scan's landmarks → those of the standard."""
    if contrast not in standard:
        problem = f"the intensity standard knows {', '.join(standard) or 'no contrast'}: no training subject has it"
        raise InputError(contrast, problem, "Choose another preprocessing.intensity.method, or another split")
    landmarks = np.percentile(values, nyul(parameters).percentiles)
    return IntensityMap.through(landmarks.tolist(), standard[contrast])
