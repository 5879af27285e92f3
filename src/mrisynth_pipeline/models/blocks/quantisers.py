"""Discrete codes between an encoder and a decoder."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ


class ScalarCodes(nn.Module):
    """Finite scalar quantisation (Mentzer et al., ICLR 2024): each channel is rounded to one of a few levels.

    A code is seen in two ways: as *values*, about [−1, 1], which the decoder reads, and as *levels*, the integers
    0 … L_j − 1 of each channel j, which Stage II predicts.

    Args:
        levels: Number of levels of each channel, each at least 3.
        quantise: False bounds the channels without rounding them: the continuous condition of CodeBrain's ablation.
    """

    def __init__(self, levels: tuple[int, ...], quantise: bool = True) -> None:
        super().__init__()
        if min(levels) < 3:
            raise ValueError(f"every FSQ channel needs at least 3 levels, got {levels}")
        self.levels = tuple(levels)
        self.quantise = quantise
        # The implicit codebook (one row per code) is never needed: indices are computed from the levels.
        self.fsq = FSQ(list(levels), return_indices=False, force_quantization_f32=True)
        self.register_buffer("half_width", torch.tensor([n // 2 for n in levels]), persistent=False)
        self.register_buffer("n_levels", torch.tensor(levels), persistent=False)

    @property
    def codebook_size(self) -> int:
        """Number of different codes."""
        return int(torch.tensor(self.levels).prod())

    def forward(self, features: Float[Tensor, "batch code y x"]) -> Float[Tensor, "batch code y x"]:
        """Values of the nearest code, with a straight-through gradient; fp32 whatever the precision of the input."""
        features = features.float()
        if self.quantise:
            return self.fsq(features)[0]
        return torch.tanh(features)

    def to_levels(self, values: Float[Tensor, "batch code y x"]) -> Int[Tensor, "batch code y x"]:
        """Levels 0 … L_j − 1 of each channel."""
        half = self.half_width[:, None, None]
        levels = (values * half + half).round().long()
        return levels.clamp(min=0).minimum(self.n_levels[:, None, None] - 1)

    def to_values(self, levels: Int[Tensor, "batch code y x"]) -> Float[Tensor, "batch code y x"]:
        """Values of the levels: the inverse of :meth:`to_levels`."""
        half = self.half_width[:, None, None]
        return (levels - half) / half

    def to_indices(self, levels: Int[Tensor, "batch code y x"]) -> Int[Tensor, "batch y x"]:
        """Index of each code in the implicit codebook, 0 … codebook_size − 1; the first channel varies fastest."""
        strides = torch.cumprod(torch.tensor((1, *self.levels[:-1]), device=levels.device), dim=0)
        return (levels * strides[:, None, None]).sum(1)
