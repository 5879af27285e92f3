"""The one ``fit``: Lightning with checkpoints that resume, a moving average of the weights, and a kept history."""

import json
import logging
import shutil
import warnings
from pathlib import Path

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import Logger
from torch.utils.data import DataLoader, Dataset

from mrisynth_pipeline.sampling.batches import StepBatches, fixed_batches
from mrisynth_pipeline.training.averaging import ExponentialAverage
from mrisynth_pipeline.training.callbacks import BestWeights, EarlyLook, History
from mrisynth_pipeline.training.parameters import OptimisationParameters

logger = logging.getLogger(__name__)


def resumable_checkpoint(work_dir: Path, fingerprint: str) -> tuple[Path | None, int]:
    """The checkpoint of a killed run of the same training, if there is one.

    A checkpoint of other settings or other data is thrown away: going on from it would mix two trainings.

    Args:
        work_dir: Folder of the training.
        fingerprint: Identity of settings and data.

    Returns:
        Path and number of finished steps; ``(None, 0)`` for a new start.
    """
    checkpoint, identity = work_dir / "resume.ckpt", work_dir / "identity.json"
    if checkpoint.exists() and identity.exists():
        if json.loads(identity.read_text())["fingerprint"] == fingerprint:
            steps = int(torch.load(checkpoint, weights_only=True, mmap=True)["global_step"])
            logger.info("Resuming the training in %s after step %d", work_dir, steps)
            return checkpoint, steps
        logger.info("Settings or data changed since the checkpoint in %s: starting anew", work_dir)
    shutil.rmtree(work_dir, ignore_errors=True)
    work_dir.mkdir(parents=True)
    identity.write_text(json.dumps({"fingerprint": fingerprint}))
    return None, 0


def fit(
    module: lightning.LightningModule,
    training: Dataset,
    validation: Dataset,
    optimisation: OptimisationParameters,
    work_dir: Path,
    fingerprint: str,
    trackers: list[Logger],
) -> pd.DataFrame:
    """Train a module; afterwards it holds the averaged weights, on the CPU, in evaluation mode.

    They are the last ones, or those of its best validation if it names a ``best_metric``.

    Args:
        module: A training of this package (it knows its optimisers).
        training: Samples to learn from.
        validation: Samples for the validation metrics; may be empty (then there is no validation).
        optimisation: How long and how fast.
        work_dir: Checkpoint and early looks of this training; the checkpoint is deleted when it is complete.
        fingerprint: Identity of settings and data; only a run with the same one is resumed.
        trackers: Lightning loggers, such as one that joins the MLflow run.

    Returns:
        The history: one row per recorded step, columns ``step`` and the logged metrics.

    Raises:
        ValueError: If there is nothing to train on.
    """
    o = optimisation
    if len(training) == 0:
        raise ValueError("there is nothing to train on: no subject of the training part has a usable sample")
    checkpoint, start = resumable_checkpoint(work_dir, fingerprint)
    batches = StepBatches(len(training), o.batch_size, o.steps, o.seed, start)
    loader_options = {"num_workers": o.loader_workers, "persistent_workers": o.loader_workers > 0}
    loader = DataLoader(training, batch_sampler=batches, **loader_options)
    held_out = fixed_batches(len(validation), o.batch_size, o.validation_samples) if len(validation) else []
    history = History(every=max(o.steps // 200, 1))
    callbacks: list[lightning.Callback] = [
        history,
        ModelCheckpoint(
            dirpath=work_dir,
            filename="resume",
            every_n_train_steps=o.checkpoint_every,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        ),
        TQDMProgressBar(refresh_rate=10),
    ]
    if hasattr(module, "look"):
        callbacks.append(EarlyLook(work_dir))
    best = None
    if module.best_metric and held_out:
        best = BestWeights(work_dir, module.best_metric, first_step=int(module.best_from * o.steps))
        callbacks.append(best)
    if o.ema_decay:
        callbacks.append(ExponentialAverage(o.ema_decay))
    trainer = lightning.Trainer(
        max_steps=o.steps,
        accelerator=o.accelerator,
        devices=o.devices,
        strategy=o.strategy,
        precision=o.precision,
        callbacks=callbacks,
        logger=trackers,
        log_every_n_steps=history.every,
        val_check_interval=min(o.validate_every, o.steps) if held_out else None,
        check_val_every_n_epoch=None if held_out else 1,
        limit_val_batches=1.0 if held_out else 0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
        default_root_dir=work_dir,
    )
    validation_loader = DataLoader(validation, batch_sampler=held_out) if held_out else None
    with warnings.catch_warnings():
        # Batches are a function of the step here, so Lightning's doubts about resuming in mid-epoch do not apply.
        for message in ("resuming from a checkpoint that ended", "Checkpoint directory", "no pre-optimization state"):
            warnings.filterwarnings("ignore", message=f".*{message}")
        trainer.fit(module, loader, validation_loader, ckpt_path=checkpoint, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt(f"training stopped at step {trainer.global_step}; the next run resumes it")
    if best is not None:
        best.restore(module)
    module.cpu().eval()
    (work_dir / "resume.ckpt").unlink(missing_ok=True)
    return pd.DataFrame(history.rows)


def last_validation(history: pd.DataFrame) -> dict[str, float]:
    """The newest value of every validation metric of a history."""
    columns = [name for name in history.columns if name.startswith("val_")]
    return {name: float(history[name].dropna().iloc[-1]) for name in columns if history[name].notna().any()}
