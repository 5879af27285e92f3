"""A trained imputer with all that its card says of how to use it on new scans."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.preparation import preparation
from mrisynth_pipeline.exporting.reading import load_imputer
from mrisynth_pipeline.imaging.intensity import IntensityMap
from mrisynth_pipeline.imaging.intensity_methods import Standard
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.planes import Planes
from mrisynth_pipeline.metrics.expected_error import ExpectedError
from mrisynth_pipeline.metrics.familiarity import Familiarity
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.packaging import CARD, WEIGHTS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadyModel:
    """An imputer, and how scans are prepared for it, taken back from it and doubted."""

    method: Imputer
    """In evaluation mode, on the CPU."""
    card: Mapping[str, Any]
    """The whole model card."""
    name: str
    """What the user called it."""
    identity: str
    """SHA-256 of weights and card: two models with the same one give the same results."""
    preprocessing: PreprocessingParameters
    """As the training cohort was prepared."""
    standard: Standard
    """The training cohort's standard histogram, where the intensities need one."""
    units: Mapping[str, IntensityMap]
    """Contrast → a typical training scan's map from scanner units to [0, 1]."""
    expected_error: ExpectedError | None
    """From what can be seen of an imputation to the error to expect; ``None``: nobody has calibrated it."""
    calibrated_planes: Planes | None
    """Planes that it was calibrated in."""
    familiarity: Familiarity | None
    """What training scans look like; ``None``: nobody has looked."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Contrasts in channel order."""
        return self.method.modalities

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on computed phantoms alone."""
        return bool(self.card.get("training_data", {}).get("synthetic", False))


def open_model(folder: Path, name: str = "") -> ReadyModel:
    """A model folder, ready for new scans.

    Args:
        folder: With weights and card; see :mod:`mrisynth_pipeline.models.packaging`.
        name: What the user called it; the folder, unless given.

    Raises:
        InputError: It cannot be read, imputes nothing, or its card does not say how scans are to be prepared.
    """
    trained = load_imputer(folder)
    card = trained.card
    preprocessing, standard = preparation(_settings(card, folder), card, folder / CARD)
    try:
        units = {name: IntensityMap.of(record) for name, record in card.get("units", {}).items()}
        expected = ExpectedError.of(card["doubt"]) if card.get("doubt") else None
        planes = card["package"]["planes"] if expected else None
        familiarity = Familiarity.of(card["familiarity"]) if card.get("familiarity") else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"has sections that this version does not know ({error})"
        raise InputError(folder / CARD, problem, "Package the model again: kedro run --pipelines packaging") from error
    digest = hashlib.sha256((folder / CARD).read_bytes())
    with (folder / WEIGHTS).open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return ReadyModel(
        method=trained.network,
        card=card,
        name=name or str(folder),
        identity=digest.hexdigest(),
        preprocessing=preprocessing,
        standard=standard,
        units=units,
        expected_error=expected,
        calibrated_planes=planes,
        familiarity=familiarity,
    )


def _settings(card: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """How the training scans were prepared; for a bare model what its card says of it, and defaults."""
    if "preprocessing" in card:
        return card["preprocessing"]
    logger.warning(
        "%s is no package: registration and masks as by default, no calibrated doubt. "
        "Make one by: kedro run --pipelines packaging", folder
    )  # fmt: skip
    intensity = {
        name: value for name, value in card.get("intensity", {}).items() if name not in ("standard", "mapping")
    }
    return {"grid": card.get("grid"), "intensity": intensity}
