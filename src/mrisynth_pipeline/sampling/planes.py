"""Random slices of volumes that a training holds in memory, for networks that learn from both."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Plane = Literal["axial", "coronal", "sagittal"]
"""Which way slices are cut."""

_ACROSS: dict[str, int] = {"axial": 2, "coronal": 3, "sagittal": 4}  # axes of [batch, channel, z, y, x]


def draw_slices(
    images: Float[Tensor, "batch 1 z y x"], n: int, plane: Plane, generator: torch.Generator
) -> Float[Tensor, "slices 1 1 h w"]:
    """Random slices of every image, partners at the same places; image by image, n of each.

    Args:
        images: Pairs; the second half are the partners of the first half.
        n: Slices of each; drawn with replacement if there are fewer.
        plane: Which plane they lie in.
        generator: What to draw from.
    """
    axis = _ACROSS[plane]
    pairs, length = len(images) // 2, images.shape[axis]
    places = torch.stack(
        [
            torch.randperm(length, generator=generator)[:n]
            if n <= length
            else torch.randint(length, (n,), generator=generator)
            for _ in range(pairs)
        ]
    ).to(images.device)
    along = images[:, 0].movedim(axis - 1, 1)  # [batch, slice, h, w]
    rows = torch.arange(len(images), device=images.device)[:, None]
    return along[rows, places.repeat(2, 1)].flatten(0, 1)[:, None, None]
