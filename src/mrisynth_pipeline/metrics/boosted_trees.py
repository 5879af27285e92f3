"""Boosted regression trees as plain numbers: what is fitted by scikit-learn is kept without a pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import GradientBoostingRegressor

_AT_ONCE = 65_536  # samples, so that the positions in a tree stay in the processor's cache
_DIGITS = 6


@dataclass(frozen=True)
class Tree:
    """One tree; node 0 is its root.

    Args:
        feature: Of every node what it asks for, −1 for a leaf.
        threshold: Samples up to this value go left.
        left: Node to go to.
        right: The other one; of a leaf both are the leaf itself.
        value: What a leaf adds; 0 for the others.

    Raises:
        ValueError: The lists differ in length, or lead outside the tree.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    def __post_init__(self) -> None:
        n = len(self.feature)
        lengths = {len(part) for part in (self.threshold, self.left, self.right, self.value)}
        inner = [node for node in range(n) if self.feature[node] >= 0]
        # Children come after their node, so that every walk ends.
        fits = all(node < self.left[node] < n and node < self.right[node] < n for node in inner)
        if n == 0 or lengths != {n} or not fits or not np.isfinite([*self.threshold, *self.value]).all():
            raise ValueError("no tree: its nodes do not lead from the root to leaves")


@dataclass(frozen=True)
class BoostedTrees:
    """A sum of trees (Friedman, Annals of Statistics 29, 2001).

    Args:
        base: What they add to.
        trees: In any order.
    """

    base: float
    trees: tuple[Tree, ...]

    @classmethod
    def fitted(
        cls, features: Float[np.ndarray, "sample feature"], target: Float[np.ndarray, " sample"], seed: int
    ) -> "BoostedTrees":
        """Trees that estimate the mean of the target, by few features each and half of the samples."""
        model = GradientBoostingRegressor(
            n_estimators=80,
            learning_rate=0.08,
            max_depth=4,
            max_features=0.3,
            subsample=0.5,
            min_samples_leaf=max(1, min(50, len(target) // 50)),
            random_state=seed,
        ).fit(features, target)
        trees = []
        for estimator in model.estimators_[:, 0]:
            inner, leaf = estimator.tree_, estimator.tree_.children_left < 0
            itself = np.arange(inner.node_count)
            trees.append(
                Tree(
                    feature=tuple(np.where(leaf, -1, inner.feature).tolist()),
                    threshold=_rounded(np.where(leaf, 0.0, inner.threshold)),
                    left=tuple(np.where(leaf, itself, inner.children_left).tolist()),
                    right=tuple(np.where(leaf, itself, inner.children_right).tolist()),
                    value=_rounded(np.where(leaf, model.learning_rate * inner.value[:, 0, 0], 0.0)),
                )
            )
        return cls(float(target.mean()), tuple(trees))

    def predict(self, features: Float[np.ndarray, "sample feature"]) -> Float[np.ndarray, " sample"]:
        """The sum for every sample, float32."""
        made = np.full(len(features), self.base, dtype=np.float32)
        for first in range(0, len(features), _AT_ONCE):
            part = features[first : first + _AT_ONCE]
            rows = np.arange(len(part))
            for tree in self.trees:
                asked, left, right = (np.asarray(part, np.int32) for part in (tree.feature, tree.left, tree.right))
                threshold = np.asarray(tree.threshold, dtype=np.float32)
                node = np.zeros(len(part), dtype=np.int32)
                while (asked[node] >= 0).any():
                    goes_left = part[rows, asked[node]] <= threshold[node]
                    node = np.where(asked[node] < 0, node, np.where(goes_left, left[node], right[node]))
                made[first : first + _AT_ONCE] += np.asarray(tree.value, dtype=np.float32)[node]
        return made

    def record(self) -> dict[str, Any]:
        """The trees, JSON-ready: every list in one line of text, for a card is written with one number per line."""
        trees = [{name: " ".join(map(str, part)) for name, part in vars(tree).items()} for tree in self.trees]
        return {"base": self.base, "trees": trees}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "BoostedTrees":
        """The trees that were recorded.

        Raises:
            ValueError: A tree is none.
        """
        whole = {name: int if name in {"feature", "left", "right"} else float for name in Tree.__dataclass_fields__}
        trees = [
            Tree(**{n: tuple(map(kind, tree[n].split())) for n, kind in whole.items()}) for tree in record["trees"]
        ]
        return cls(float(record["base"]), tuple(trees))

    def asks_for_at_most(self, n_features: int) -> bool:
        """Whether so many features are enough for every tree."""
        return all(feature < n_features for tree in self.trees for feature in tree.feature)


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    """Six significant digits: a model card is read by people too."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)
