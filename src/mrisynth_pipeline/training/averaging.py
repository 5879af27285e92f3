"""Exponential moving average of weights and buffers, with a warm-up."""

from functools import partial

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


def _average(averaged: Tensor, current: Tensor, n_averaged: Tensor | int, decay: float) -> Tensor:
    if not averaged.is_floating_point():  # counters and tables: averaging would truncate them
        return current
    step = float(n_averaged)
    return averaged.lerp(current.to(averaged.dtype), 1.0 - min(decay, (1.0 + step) / (10.0 + step)))


class ExponentialAverage(WeightAveraging):
    """Keeps the moving average that is validated, checkpointed and, in the end, returned.

    Lightning's own EMA callback has no warm-up: in a short training its average would still hold the random start.

    Args:
        decay: Decay per step once warmed up; step t uses min(decay, (1 + t) / (10 + t)).
    """

    def __init__(self, decay: float) -> None:
        # Of a module's function, so that it can travel to the processes of ``ddp_spawn``.
        super().__init__(use_buffers=True, avg_fn=partial(_average, decay=decay))
