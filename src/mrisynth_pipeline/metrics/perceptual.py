"""LPIPS where its weights lie on disk; nothing is ever downloaded."""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mrisynth_pipeline.metrics.image import Slices

WEIGHTS = "alexnet-owt-7be5be79.pth"
"""AlexNet's weights under the name by which torch keeps them; the digits begin their SHA-256."""

_SLICES_AT_ONCE = 16

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two sets of images ``[slice, 3, y, x]`` in [−1, 1] to their mean distance."""


class PerceptualDistance:
    """LPIPS (Zhang et al., CVPR 2018) of axial slices, grey in all three channels; lower is closer.

    Args:
        distance: The network; see :func:`perceptual_distance`.
    """

    def __init__(self, distance: Distance) -> None:
        self._distance = distance

    def to(self, target: Float[Tensor, "z y x"], slices: Slices) -> "PerceptualTruth":
        """What scores imputations of one real contrast in [0, 1] on these axial slices."""
        return PerceptualTruth(self, target, torch.arange(len(target))[slices])

    @torch.inference_mode()
    def between(self, first: Float[Tensor, "slice y x"], second: Float[Tensor, "slice y x"]) -> float:
        """Mean distance over the slices."""
        total = 0.0
        for parts in zip(first.split(_SLICES_AT_ONCE), second.split(_SLICES_AT_ONCE), strict=True):
            total += len(parts[0]) * float(self._distance(*(_coloured(part) for part in parts)))
        return total / len(first)


class PerceptualTruth:
    """Some slices of one real contrast."""

    def __init__(self, distance: PerceptualDistance, target: Float[Tensor, "z y x"], indices: Tensor) -> None:
        self._distance, self._target, self._indices = distance, target[indices], indices

    def score(self, prediction: Float[Tensor, "z y x"]) -> dict[str, float]:
        """``lpips`` of one imputation."""
        return {"lpips": self._distance.between(prediction[self._indices], self._target)}


def _coloured(images: Float[Tensor, "slice y x"]) -> Float[Tensor, "slice 3 y x"]:
    return (2 * images.float().clamp(0, 1) - 1)[:, None].expand(-1, 3, -1, -1)


def perceptual_distance(folder: Path | None = None) -> tuple[PerceptualDistance | None, str]:
    """LPIPS with AlexNet's features, by torchmetrics, or why there is none.

    Args:
        folder: Where the weights are looked for; by default where torch keeps what it downloads (``TORCH_HOME``).

    Returns:
        The distance, or ``None`` and a reason with its remedy.
    """
    folder = folder or Path(torch.hub.get_dir(), "checkpoints")
    path = folder / WEIGHTS
    if not path.is_file():
        return None, f"its weights are not on disk; put {WEIGHTS} into {folder}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(WEIGHTS.removesuffix(".pth").rpartition("-")[2]):
        return None, f"{path} is not the file of that name (SHA-256 {digest[:8]}…); put the published one there"
    if find_spec("torchvision") is None:
        return None, "torchvision, which holds its network, is not installed (pip install torchvision)"
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity(net_type="alex").eval()  # from torch's folder: the file is there

    def distance(first: Tensor, second: Tensor) -> Tensor:
        network.reset()
        return network(first, second)

    return PerceptualDistance(distance), ""
