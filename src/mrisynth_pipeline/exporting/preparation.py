"""How scans are prepared for a model: as its training cohort was, which a package's card says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.intensity_methods import Standard
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters


def preparation(
    settings: Mapping[str, Any], card: Mapping[str, Any], where: Path
) -> tuple[PreprocessingParameters, Standard]:
    """Parameters of preprocessing, and the standard histogram where the intensities need one.

    Args:
        settings: The card's ``preprocessing``, or what stands in for it.
        card: The whole card.
        where: Its file, for the message.

    Raises:
        InputError: This version does not know such settings.
    """
    try:
        parameters = PreprocessingParameters(**settings)
    except (TypeError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        problem = f"does not say how scans are to be prepared for this model ({reason})"
        raise InputError(where, problem, "Use the version that wrote it, or package the model again") from error
    return parameters, (card.get("intensity", {}).get("standard") or {}).get("scale", {})
