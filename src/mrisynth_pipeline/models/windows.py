"""Volumes window by window, for networks that look at all they are given."""

from collections.abc import Callable
from itertools import product
from typing import Protocol

import torch
from jaxtyping import Float, Int, Shaped
from monai.inferers import sliding_window_inference
from torch import Tensor

from mrisynth_pipeline.models.door import padded


class Windows(Protocol):
    """What an architecture says of its windows."""

    window: tuple[int, int, int] | None
    """Size (x, y, z); ``None`` for whole volumes."""
    overlap: float
    """Share that neighbours have in common."""
    reduction: int
    """By what sizes must be divisible."""


def in_windows(
    function: Callable[[Tensor, Tensor], Tensor],
    images: Float[Tensor, "batch channel z y x"],
    about: Shaped[Tensor, "batch *more"],
    windows: Windows,
) -> Float[Tensor, "batch out z y x"]:
    """A function of images, applied to overlapping windows of each sample and blended by Gaussian weights.

    Only the windows of one sample are worked on at a time, one by one, so that memory is bounded by the window. What
    the function normalises or averages over, it does so per window.

    Args:
        function: Takes images ``[1, channel, z, y, x]``, of sizes divisible by the reduction, and the row of ``about``
            that belongs to the sample.
        images: Volumes of any size; they are padded with zeros behind their last voxels, and cropped again.
        about: What else the function is told of each sample.
        windows: Their size, or none: then every volume is one window.
    """
    whole = padded(images, windows.reduction)
    size, window = whole.shape[2:], _window_within(whole, windows)
    made = []
    for volume, row in zip(whole.split(1), about.split(1), strict=True):
        if window == tuple(size):
            made.append(function(volume, row))
        else:
            made.append(
                sliding_window_inference(
                    volume,
                    window,
                    sw_batch_size=1,
                    predictor=lambda part, row=row: function(part, row),
                    overlap=windows.overlap,
                    mode="gaussian",
                )
            )
    return torch.cat(made)[(..., *(slice(n) for n in images.shape[2:]))]


def tokens_in_windows(
    function: Callable[[Tensor, Tensor], Tensor],
    images: Float[Tensor, "batch channel z y x"],
    about: Shaped[Tensor, "batch *more"],
    windows: Windows,
) -> Int[Tensor, "batch out d h w"]:
    """The tokens of volumes, each counted once: windows lie side by side, and nothing is blended.

    Where windows do not fill an axis, the last one lies flush with its end and its tokens replace those of its
    neighbour, so that no window sees more padding than the volume needs.

    Args:
        function: Takes images ``[1, channel, z, y, x]``, of sizes divisible by the reduction, and the row of ``about``
            that belongs to the sample; returns one token per ``reduction`` voxels of each axis.
        images: Volumes of any size; they are padded with zeros behind their last voxels.
        about: What else the function is told of each sample.
        windows: Their size, or none: then every volume is one window.
    """
    whole = padded(images, windows.reduction)
    size, window = whole.shape[2:], _window_within(whole, windows)
    corners = [[*range(0, n - w, w), n - w] for n, w in zip(size, window, strict=True)]
    grids = []
    for volume, row in zip(whole.split(1), about.split(1), strict=True):
        grid: Tensor | None = None
        for corner in product(*corners):
            part = [slice(first, first + w) for first, w in zip(corner, window, strict=True)]
            tokens = function(volume[(..., *part)], row)
            if grid is None:
                grid = tokens.new_empty(*tokens.shape[:2], *(n // windows.reduction for n in size))
            grid[(..., *(slice(p.start // windows.reduction, p.stop // windows.reduction) for p in part))] = tokens
        grids.append(grid)
    return torch.cat(grids)


def _window_within(images: Float[Tensor, "batch channel z y x"], windows: Windows) -> tuple[int, ...]:
    """Size (z, y, x) of the windows of volumes that may be smaller."""
    size = tuple(images.shape[2:])
    return tuple(map(min, windows.window[::-1], size)) if windows.window else size
