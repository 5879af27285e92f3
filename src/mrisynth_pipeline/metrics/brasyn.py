"""Protocol ``brasyn``: that of the BraTS synthesis challenge (BraSyn), similarity inside and outside the tumour."""

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.metrics.image import bounding_box
from mrisynth_pipeline.metrics.similarity import SimilarityTo

PERCENTILES = (0.5, 99.5)
"""Of the truth: what becomes 0 and 1 in both images."""


class TrueBrasyn:
    """The truth of one subject and contrast, against which imputations are scored.

    Both images are clipped to the truth's percentiles and scaled to [0, 1]; the 3D SSIM map is then averaged inside the
    whole tumour, and over the rest of the brain. Over which voxels the challenge takes its percentiles is not known to
    us: the brain's are ours, as those of the whole grid depend on how much background a grid has.

    Args:
        target: Real contrast, in [0, 1].
        mask: Brain mask.
        tumour: Whole tumour; ``None`` where the subject has no label map.

    Raises:
        ValueError: Shapes differ, or the mask is empty.
    """

    def __init__(
        self, target: Float[Tensor, "z y x"], mask: Bool[Tensor, "z y x"], tumour: Bool[Tensor, "z y x"] | None
    ) -> None:
        if mask.shape != target.shape or (tumour is not None and tumour.shape != target.shape):
            raise ValueError(f"truth is {tuple(target.shape)}, mask {tuple(mask.shape)}: they must be alike")
        self._box = bounding_box(mask)
        low, high = np.percentile(target[mask].double().numpy(), PERCENTILES)
        self._low, self._range = float(low), max(float(high - low), 1e-6)
        self._similarity = SimilarityTo(self._scaled(target[self._box]), n_dims=3)
        parts = {"brasyn_ssim_tumour": tumour, "brasyn_ssim_healthy": mask if tumour is None else mask & ~tumour}
        self._parts = {name: None if part is None else part[self._box] for name, part in parts.items()}

    def _scaled(self, image: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        return ((image.double() - self._low) / self._range).clamp(0.0, 1.0)

    def score(self, prediction: Float[Tensor, "z y x"]) -> dict[str, float]:
        """SSIM ×100 of one imputation: ``brasyn_ssim_tumour`` (NaN without a tumour) and ``brasyn_ssim_healthy``."""
        ssim = self._similarity.map_of(self._scaled(prediction[self._box]))
        return {
            name: 100 * float(ssim[part].mean()) if part is not None and part.any() else float("nan")
            for name, part in self._parts.items()
        }
