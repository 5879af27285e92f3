"""A classifier that tells modalities apart, and a reversed gradient that makes features hide them."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class _Reverse(torch.autograd.Function):
    """Identity forwards; backwards the gradient times a negative number."""

    @staticmethod
    def forward(context: Any, x: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradient, None


def reverse_gradient(x: Float[Tensor, "*shape"], strength: float) -> Float[Tensor, "*shape"]:
    """The same values; their gradient is multiplied by −strength (Ganin and Lempitsky, ICML 2015)."""
    return _Reverse.apply(x, strength)


class ModalityAdversary(nn.Module):
    """Logits of the modality for every position of a feature map: a perceptron of 1×1×1 convolutions.

    Every position is judged on its own, as every code is to hide the modality, not their mean alone. The hidden width
    is ours, chosen to meet the size of the release's (0.025 million weights).

    Args:
        channels: Channels of the features.
        n_modalities: Classes.
        hidden: Units of the two hidden layers.
    """

    def __init__(self, channels: int, n_modalities: int, hidden: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(channels, hidden, 1),
            nn.SiLU(),
            nn.Conv3d(hidden, hidden, 1),
            nn.SiLU(),
            nn.Conv3d(hidden, n_modalities, 1),
        )

    def forward(self, features: Float[Tensor, "batch channel d h w"]) -> Float[Tensor, "batch modality d h w"]:
        """Logits."""
        return self.layers(features)
