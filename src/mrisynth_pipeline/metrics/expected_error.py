"""The error that is to be expected of every voxel of an imputed volume, from what can be seen of it without the truth.

The standard deviation of a method's answers orders its errors badly and is in no unit that says anything. Here it is
one of several features (:mod:`.error_features`) from which boosted trees estimate the absolute error; an isotonic
regression brings what they say onto the errors that were measured. Trees, because what is hard is a matter of tissue:
of several intensities together, and of which inputs there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from mrisynth_pipeline.metrics.boosted_trees import BoostedTrees
from mrisynth_pipeline.metrics.error_features import depth_mm, feature_names, voxel_features


@dataclass(frozen=True)
class TargetError:
    """The model of one imputed contrast: plain numbers.

    Args:
        features: Names of what the trees ask for, from :func:`.error_features.feature_names`.
        trees: From features to the mean absolute error.
        score: Knots of the calibration, increasing: what the trees say …
        error: … and the mean absolute error there, not decreasing. Beyond the first and last knot it stays: no more is
            expected than was ever measured.
        typical: Median and 90th percentile, over the scans it was fitted on, of the mean expected error in the brain.
        uniform: Mean error of the real scans' own median in the place of an image: what any method must beat.

    Raises:
        ValueError: The knots are not such a map, or the trees ask for other features.
    """

    features: tuple[str, ...]
    trees: BoostedTrees
    score: tuple[float, ...]
    error: tuple[float, ...]
    typical: tuple[float, float]
    uniform: float

    def __post_init__(self) -> None:
        numbers = [*self.score, *self.error, *self.typical, self.uniform]
        rises = (
            (np.diff(self.score) > 0).all() and (np.diff(self.error) >= 0).all() and min(self.error, default=-1) >= 0
        )
        if not (np.isfinite(numbers).all() and rises and len(self.score) == len(self.error) and len(self.typical) == 2):
            raise ValueError("no calibration: its knots do not rise, or its numbers are not finite")
        if not self.trees.asks_for_at_most(len(self.features)):
            raise ValueError("no calibration: its trees ask for more features than are named")

    def of_features(self, features: Float[np.ndarray, "feature voxel"]) -> Float[np.ndarray, " voxel"]:
        """Expected absolute error from features."""
        return np.interp(self.trees.predict(features.T), self.score, self.error).astype(np.float32)


@dataclass(frozen=True)
class ExpectedError:
    """The calibration of one trained method on one study.

    Args:
        modalities: Contrasts in channel order.
        targets: Contrast → its model; a contrast without one is not calibrated.
        subjects: Held-out subjects it was fitted on.
    """

    modalities: tuple[str, ...]
    targets: Mapping[str, TargetError]
    subjects: int

    def __post_init__(self) -> None:
        for target, model in self.targets.items():
            if model.features != feature_names(target, self.modalities):
                raise ValueError(f"the calibration of {target} was made of other features than are measured now")

    def covers(self, target: str) -> bool:
        """Whether the expected error of this contrast is known."""
        return target in self.targets

    def typical(self, target: str) -> tuple[float, float]:
        """Median and 90th percentile, over validation scans, of the mean expected error inside the brain.

        Raises:
            ValueError: The contrast is not calibrated.
        """
        return self._model(target).typical

    def uniform(self, target: str) -> float:
        """Mean absolute error, over validation scans, of one grey value all over the brain: the scan's own median.

        Raises:
            ValueError: The contrast is not calibrated.
        """
        return self._model(target).uniform

    def apply(
        self,
        target: str,
        imputed: Float[ArrayLike, "z y x"],
        spread: Float[ArrayLike, "z y x"],
        inputs: Float[ArrayLike, "modality z y x"],
        available: Bool[ArrayLike, " modality"],
        mask: Bool[ArrayLike, "z y x"],
        spacing_mm: Sequence[float],
    ) -> Float[np.ndarray, "z y x"]:
        """Expected absolute error of every voxel.

        Args:
            target: The imputed contrast.
            imputed: It, in [0, 1].
            spread: Standard deviation of its answers, from :func:`~mrisynth_pipeline.models.doubt.spread_volume`.
            inputs: What it was imputed from, in [0, 1]; channels that are not available are not looked at.
            available: Which of them were given, at least one.
            mask: Foreground.
            spacing_mm: Voxel size (x, y, z).

        Returns:
            float32 in [0, 1], 0 outside the mask.

        Raises:
            ValueError: The contrast is not calibrated, or nothing is available.
        """
        model, mask = self._model(target), np.asarray(mask, dtype=bool)
        imputed, spread, inputs = (np.asarray(values, dtype=np.float32) for values in (imputed, spread, inputs))
        available = np.asarray(available, dtype=bool)
        if not available.any():
            raise ValueError("at least one contrast must be available")
        depth = depth_mm(mask, spacing_mm)
        features = voxel_features(target, self.modalities, imputed, spread, inputs, available, depth, spacing_mm)
        expected = np.zeros(mask.shape, dtype=np.float32)
        expected[mask] = model.of_features(features[:, mask]).clip(0, 1)
        return expected

    def record(self) -> dict[str, Any]:
        """The calibration, JSON-ready."""
        return {
            "modalities": list(self.modalities),
            "subjects": self.subjects,
            "targets": {
                target: {name: list(getattr(model, name)) for name in ("features", "score", "error", "typical")}
                | {"uniform": model.uniform, "trees": model.trees.record()}
                for target, model in self.targets.items()
            },
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "ExpectedError":
        """The calibration that was recorded.

        Raises:
            ValueError: It is none, or was made of other features.
        """
        try:
            targets = {
                target: TargetError(
                    tuple(model["features"]),
                    BoostedTrees.of(model["trees"]),
                    *(tuple(map(float, model[name])) for name in ("score", "error", "typical")),
                    float(model["uniform"]),
                )
                for target, model in record["targets"].items()
            }
            return cls(tuple(record["modalities"]), targets, int(record["subjects"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no record of an expected error ({type(error).__name__}: {error})") from error

    def _model(self, target: str) -> TargetError:
        if target not in self.targets:
            raise ValueError(f"the expected error of {target} is not calibrated; known: {', '.join(self.targets)}")
        return self.targets[target]
