"""Parameters that every kind of training shares."""

from typing import Literal

from pydantic import Field

from mrisynth_pipeline.parameters import Parameters


class OptimisationParameters(Parameters):
    """How long, how fast and on what a network is trained."""

    steps: int = Field(300_000, ge=1)
    """Optimiser steps."""
    batch_size: int = Field(8, ge=1)
    """Samples per step and device."""
    learning_rate: float = Field(5e-4, gt=0)
    """Learning rate after the warm-up, from which it falls along a cosine."""
    final_learning_rate: float = Field(5e-5, ge=0)
    """Learning rate of the last step."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which the learning rate rises linearly from 0."""
    betas: tuple[float, float] = (0.9, 0.9)
    """Decay rates of AdamW's moments."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay."""
    gradient_clip: float | None = Field(None, gt=0)
    """Largest gradient norm; ``None`` does not clip."""
    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Decay of the exponential moving average of weights and buffers that is kept; 0 keeps the raw weights.
    Its start is warmed up: decay (1 + t) / (10 + t) until that exceeds the value."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the training step."""
    accelerator: str = "auto"
    """Lightning's accelerator: auto, cpu, gpu, mps."""
    devices: int = Field(1, ge=1)
    """Devices of this machine."""
    strategy: str = "auto"
    """Lightning's strategy; with several devices inside a Kedro node use ``ddp_spawn``."""
    loader_workers: int = Field(0, ge=0)
    """Processes that read slices ahead; 0 reads in the training process."""
    validate_every: int = Field(5_000, ge=1)
    """Steps between validations."""
    validation_samples: int = Field(256, ge=1)
    """Samples of a validation, the same each time."""
    checkpoint_every: int = Field(1_000, ge=1)
    """Steps between checkpoints; a killed run resumes from the last one."""
    seed: int = 0
    """Seed of weights, batches and availability."""
