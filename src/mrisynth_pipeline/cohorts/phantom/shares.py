"""How much of which tissue is in every voxel, kept sparsely: most voxels hold one or two of the tissues."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

_LEAST_SHARE = 0.01
"""Smaller tissue shares are dropped: they would cost memory and change nothing."""


@dataclass
class TissueShares:
    """For each tissue the voxels that hold any of it, and how much.

    Shares of a voxel add up to at most 1; what is missing is air.

    Attributes:
        shape: Voxels along x, y, z.
        parts: Tissue → (flat voxel indices, shares in [0, 1]).
    """

    shape: tuple[int, int, int]
    parts: dict[str, tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]] = field(default_factory=dict)

    def put(self, tissue: str, voxels: Int[np.ndarray, " n"], share: Float[np.ndarray, " n"]) -> None:
        """Set a tissue's shares, given at flat voxel indices; a tissue is put once."""
        kept = share > _LEAST_SHARE
        self.parts[tissue] = voxels[kept], np.minimum(share[kept], 1.0).astype(np.float32)

    def dense(self, *tissues: str) -> Float[np.ndarray, "x y z"]:
        """Summed share of the named tissues as a dense map; absent tissues count 0."""
        total = np.zeros(int(np.prod(self.shape)), np.float32)
        for tissue in tissues:
            if tissue in self.parts:
                index, share = self.parts[tissue]
                total[index] += share
        return total.reshape(self.shape)

    def scale(self, factor: Float[np.ndarray, "x y z"], tissues: tuple[str, ...]) -> None:
        """Multiply the named tissues by a dense map in [0, 1], making room for another tissue."""
        flat = factor.ravel()
        for tissue in tissues:
            if tissue in self.parts:
                index, share = self.parts[tissue]
                self.parts[tissue] = index, share * flat[index]

    def __iter__(self) -> Iterator[tuple[str, Int[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
        """Tissue name, flat voxel indices, shares."""
        return ((name, *part) for name, part in self.parts.items())
