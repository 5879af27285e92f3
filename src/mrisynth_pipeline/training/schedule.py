"""The learning-rate schedule and optimiser that every training here shares."""

import math
from typing import Any

import lightning
import torch

from mrisynth_pipeline.training.parameters import OptimisationParameters


class ScheduledTraining(lightning.LightningModule):
    """Base of all trainings: AdamW whose rate warms up linearly and falls along a cosine.

    A training that sets ``best_metric``, the name of a validation metric, ends with the weights that had most of it at
    any validation after the share ``best_from`` of the steps; the others end with their last.

    Args:
        optimisation: Schedule.
    """

    def __init__(self, optimisation: OptimisationParameters) -> None:
        super().__init__()
        self.optimisation = optimisation
        self.best_metric: str | None = None
        self.best_from = 0.0

    def learning_rate_factor(self, step: int) -> float:
        """Linear warm-up, then a cosine from 1 to final/initial learning rate at the last step."""
        o = self.optimisation
        if step < o.warmup_steps:
            return (step + 1) / o.warmup_steps
        progress = (step - o.warmup_steps) / max(o.steps - o.warmup_steps, 1)
        floor = o.final_learning_rate / o.learning_rate
        return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))

    def adamw(
        self, parameters: list[torch.nn.Parameter]
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """AdamW and the schedule of :meth:`learning_rate_factor`."""
        o = self.optimisation
        optimiser = torch.optim.AdamW(
            parameters, lr=o.learning_rate, betas=o.betas, weight_decay=o.weight_decay, fused=True
        )
        return optimiser, self.scheduled(optimiser)

    def scheduled(self, optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """The schedule of :meth:`learning_rate_factor` for an optimiser that starts at the learning rate."""
        return torch.optim.lr_scheduler.LambdaLR(optimiser, self.learning_rate_factor)

    def adamw_each_step(self, parameters: list[torch.nn.Parameter]) -> dict[str, Any]:
        """The same, for Lightning to step after every batch."""
        optimiser, schedule = self.adamw(parameters)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Clip as the parameters say (Lightning steps the optimiser; with manual steps, the training clips)."""
        if self.optimisation.gradient_clip:
            self.clip_gradients(optimizer, self.optimisation.gradient_clip, "norm")
