"""What is watched during a training: the curve for the report, its best weights, and early looks at images."""

import logging
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger
from PIL import Image

logger = logging.getLogger(__name__)


class History(lightning.Callback):
    """Every logged metric over the steps, kept through a resume.

    Args:
        every: Steps between two rows.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.rows: list[dict[str, float]] = []

    def _record(self, trainer: lightning.Trainer, kind: str) -> None:
        metrics = trainer.callback_metrics
        values = {name: float(value) for name, value in metrics.items() if name.startswith(kind)}
        if self.rows and self.rows[-1]["step"] == trainer.global_step:
            self.rows[-1].update(values)
        else:
            self.rows.append({"step": float(trainer.global_step)} | values)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Record the training metrics now and then."""
        if trainer.global_step % self.every == 0:
            self._record(trainer, "train_")

    def on_validation_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Record every validation."""
        if not trainer.sanity_checking:
            self._record(trainer, "val_")

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of the checkpoint."""
        self.rows = list(state_dict["rows"])


class BestWeights(ModelCheckpoint):
    """Keeps the weights (averaged, where they are) of the validation with most of a metric; resumed with the training.

    Args:
        folder: Where ``best.ckpt`` goes.
        metric: Name of the validation metric; more is better.
        first_step: Validations before this step do not count.
    """

    def __init__(self, folder: Path, metric: str, first_step: int) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=metric,
            mode="max",
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        self.first_step = first_step

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compare with the best so far."""
        if trainer.global_step >= self.first_step:
            super().on_validation_end(trainer, pl_module)

    def restore(self, module: lightning.LightningModule) -> None:
        """Give the module its best weights, if there was a validation that counts; the file is deleted."""
        path = Path(self.best_model_path)
        if not path.is_file():
            return
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        module.load_state_dict(checkpoint["state_dict"])
        logger.info("Kept: step %d, %s %.3f", checkpoint["global_step"], self.monitor, float(self.best_model_score))
        path.unlink()


class EarlyLook(lightning.Callback):
    """A picture of fixed validation samples at every validation: rows are samples; left truth, right prediction.

    Of 3D patches it shows the middle axial slice. Written to a folder and, if the run is tracked, logged to MLflow.

    Args:
        folder: Where the PNG files go, ``step_000500.png`` and so on.
        samples: Rows of the picture.
    """

    def __init__(self, folder: Path, samples: int = 4) -> None:
        self.folder, self.samples = folder, samples

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        module: Any,
        _: Any,
        batch: dict[str, torch.Tensor],
        batch_idx: int,
        *__: Any,
    ) -> None:
        """Picture the first batch."""
        if batch_idx or trainer.sanity_checking or not trainer.is_global_zero:
            return
        shown = {name: values[: self.samples] for name, values in batch.items()}
        truth = shown["images"]
        prediction = module.look(shown).float().clamp(0.0, 1.0)
        both = torch.cat([truth, prediction], dim=1)  # [sample, 2 × modality, (z,) y, x]
        tiles = (both if both.ndim == 4 else both[:, :, both.shape[2] // 2]).cpu().numpy()
        rows = [np.concatenate(list(row[:, ::-1]), axis=1) for row in tiles]  # y up: anterior on top
        picture = Image.fromarray((np.concatenate(rows) * 255).astype(np.uint8))
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step_{trainer.global_step:06d}.png"
        picture.save(path)
        for logger in trainer.loggers:
            if isinstance(logger, MLFlowLogger):
                logger.experiment.log_artifact(
                    logger.run_id, str(path), artifact_path=f"early_looks/{self.folder.name}"
                )
