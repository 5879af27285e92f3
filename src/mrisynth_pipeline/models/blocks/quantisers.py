"""Discrete codes between an encoder and a decoder."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ, VectorQuantize


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
    def channels(self) -> int:
        """Channels of features and values."""
        return len(self.levels)

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

    def learn(
        self, features: Float[Tensor, "batch code y x"]
    ) -> tuple[Float[Tensor, "batch code y x"], Float[Tensor, ""]]:
        """The values, and the loss of the quantiser itself: 0, as there is no codebook to learn."""
        values = self(features)
        return values, values.new_zeros(())

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


class VectorCodes(nn.Module):
    """Vector quantisation (van den Oord et al., NeurIPS 2017) by a codebook that follows a moving average.

    The codebook starts from a k-means of the first features it sees, and codes that fall out of use are replaced by
    features of the current batch. It learns in training mode, from forward passes alone; distances are fp32, whatever
    the precision around them.

    Args:
        channels: Channels of the features.
        size: Number of codes.
        dim: Length of a code; features are projected if it is not ``channels``.
        decay: Decay of the moving averages per pass.
        commitment: Weight of the commitment loss.
        dead_code_threshold: A code is replaced once the moving average of its uses per pass is below this; 0: never.
        rotation_trick: Gradient of the rotation trick (Fifty et al., ICLR 2025) instead of the straight-through one.
        quantise: False lets the features through: the continuous ceiling.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        dim: int,
        decay: float = 0.99,
        commitment: float = 0.25,
        dead_code_threshold: float = 0.1,
        rotation_trick: bool = False,
        quantise: bool = True,
    ) -> None:
        super().__init__()
        self.size, self.quantise = size, quantise
        self._options = {
            "dim": channels,
            "codebook_size": size,
            "codebook_dim": dim,
            "decay": decay,
            "commitment_weight": commitment,
            "threshold_ema_dead_code": dead_code_threshold,
            "rotation_trick": rotation_trick,
            "kmeans_init": True,
            "accept_3d_fmap": True,
        }
        self.vq = VectorQuantize(**self._options, sync_codebook=False) if quantise else None

    def synchronise(self) -> None:
        """Let all processes of a distributed training share one codebook; call it once they have found each other."""
        if self.vq is not None:
            shared = VectorQuantize(**self._options, sync_codebook=True).to(self.vq.codebook.device)
            shared.load_state_dict(self.vq.state_dict())
            self.vq = shared

    def forward(
        self, features: Float[Tensor, "batch channel d h w"], learn: bool = True
    ) -> tuple[Float[Tensor, "batch channel d h w"], Int[Tensor, "batch d h w"] | None, Float[Tensor, ""]]:
        """Codes for features.

        Args:
            features: What to quantise.
            learn: False leaves the codebook as it is, in training mode too.

        Returns:
            The nearest codes, with a gradient that passes through to the features; their indices (``None`` for
            continuous features); and the weighted commitment loss, which is 0 outside training.
        """
        features = features.float()
        if self.vq is None:
            return features, None, features.new_zeros(())
        with torch.autocast(features.device.type, enabled=False):
            values, indices, loss = self.vq(features, freeze_codebook=not learn)
        return values, indices, loss.sum()

    def expected(self, probabilities: Float[Tensor, "batch code d h w"]) -> Float[Tensor, "batch channel d h w"]:
        """The mean of all codes, each as likely as is said.

        Raises:
            ValueError: If the features are continuous.
        """
        if self.vq is None:
            raise ValueError("continuous features have no codes: build the model with quantise=True")
        with torch.autocast(probabilities.device.type, enabled=False):
            return self.vq.project_out(probabilities.float().movedim(1, -1) @ self.vq.codebook).movedim(-1, 1)

    def of(self, indices: Int[Tensor, "batch d h w"]) -> Float[Tensor, "batch channel d h w"]:
        """The codes of these indices.

        Raises:
            ValueError: If the features are continuous.
        """
        if self.vq is None:
            raise ValueError("continuous features have no codes: build the model with quantise=True")
        return self.vq.project_out(self.vq.codebook[indices]).movedim(-1, 1)

    def nearness(self, features: Float[Tensor, "batch channel d h w"]) -> Float[Tensor, "batch code d h w"]:
        """How near every code is to features: minus the squared distance, over its mean over all codes."""
        with torch.autocast(features.device.type, enabled=False):
            projected = self.vq.project_in(features.float().movedim(1, -1))
            distances = torch.cdist(projected.flatten(0, -2), self.vq.codebook).square()
            relative = distances / distances.mean(-1, keepdim=True).clamp(min=1e-8)
            return -relative.view(*projected.shape[:-1], self.size).movedim(-1, 1)


class PlanarVectorCodes(nn.Module):
    """Vector codes of slices, to be used in the place of :class:`ScalarCodes`: one channel of levels without an order.

    *Values* are the vectors of the codebook, *levels* their indices 0 … size − 1. The codebook learns from
    :meth:`learn` in training mode alone; whatever else is asked leaves it as it is.

    Args:
        size: Number of codes.
        dim: Channels of features and values.
        decay: See :class:`VectorCodes`.
    """

    quantise = True
    """Continuous vectors are those of :class:`ScalarCodes` without rounding."""

    def __init__(self, size: int, dim: int, decay: float) -> None:
        super().__init__()
        self.codebook_size, self.channels, self.levels = size, dim, (size,)
        self.vectors = VectorCodes(dim, size, dim, decay=decay, commitment=1.0)

    def forward(self, features: Float[Tensor, "batch dim y x"]) -> Float[Tensor, "batch dim y x"]:
        """The nearest codes, with a straight-through gradient; fp32 whatever the precision of the input."""
        features = features.float()
        return features + (self.to_values(self.to_levels(features)) - features).detach()

    def learn(
        self, features: Float[Tensor, "batch dim y x"]
    ) -> tuple[Float[Tensor, "batch dim y x"], Float[Tensor, ""]]:
        """The nearest codes, and the commitment loss: the mean squared distance of features from them.

        In training mode the codebook takes its first place by k-means, and follows; in evaluation mode the loss is 0.
        """
        if not self.training:
            values = self(features)
            return values, values.new_zeros(())
        values, _, loss = self.vectors(features[:, :, None])
        return values[:, :, 0], loss

    def to_levels(self, values: Float[Tensor, "batch dim y x"]) -> Int[Tensor, "batch 1 y x"]:
        """Index of the nearest code."""
        with torch.autocast(values.device.type, enabled=False):
            distances = torch.cdist(values.float().movedim(1, -1).flatten(0, -2), self.vectors.vq.codebook)
            return distances.argmin(-1).view(len(values), 1, *values.shape[2:])

    def to_values(self, levels: Int[Tensor, "batch 1 y x"]) -> Float[Tensor, "batch dim y x"]:
        """The codes of these indices."""
        return self.vectors.vq.codebook[levels[:, 0]].movedim(-1, 1)

    def to_indices(self, levels: Int[Tensor, "batch 1 y x"]) -> Int[Tensor, "batch y x"]:
        """Index of each code: its level."""
        return levels[:, 0]
