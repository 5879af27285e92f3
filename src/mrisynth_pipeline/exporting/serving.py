"""What MLflow runs of a registered model. MLflow stores this file as text beside the package: nothing is pickled."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from mrisynth_pipeline.exporting.reading import load_imputer
from mrisynth_pipeline.models.door import impute_volume


class ServedImputer(PythonModel):
    """``predict`` of volumes that have been prepared as the card says."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the package."""
        self.method = load_imputer(Path(context.artifacts["package"])).network

    def predict(self, context, model_input, params: dict[str, Any] | None = None) -> NDArray[np.float32]:
        """Fill in the missing contrasts.

        Args:
            context: Of MLflow; not used.
            model_input: ``images`` ``[batch, modality, z, y, x]`` in [0, 1], background 0 (an axial slice is a volume
                with one z), and ``available`` bool ``[batch, modality]``.
            params: None are known.

        Returns:
            Images of the same shape: the available contrasts as they came, the others imputed.

        Raises:
            ValueError: The shapes do not fit the model, or a sample has nothing available.
        """
        images = torch.as_tensor(np.asarray(model_input["images"], dtype=np.float32))
        available = torch.as_tensor(np.asarray(model_input["available"], dtype=bool))
        if images.ndim != 5 or images.shape[:2] != available.shape or images.shape[1] != len(self.method.modalities):
            raise ValueError(
                f"{self.method.name} takes images [batch, modality, z, y, x] and available [batch, modality] of "
                f"{', '.join(self.method.modalities)}; got {tuple(images.shape)} and {tuple(available.shape)}"
            )
        if not available.any(dim=1).all():
            raise ValueError("at least one modality of every sample must be available")
        return np.stack([impute_volume(self.method, *sample).numpy() for sample in zip(images, available, strict=True)])


set_model(ServedImputer())
