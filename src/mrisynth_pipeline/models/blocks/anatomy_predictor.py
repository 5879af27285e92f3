"""The anatomy of scans that are not there from that of those that are: Stage II on NeuroQuant's codes (ours)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mrisynth_pipeline.models.blocks.axial_attention import MultiAxisAttention
from mrisynth_pipeline.models.blocks.multiaxis import Chain, MultiAxisResidualBlock


def shared_anatomy(
    anatomies: Float[Tensor, "batch modality channel d h w"], available: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch channel d h w"]:
    """Mean over the available modalities; what the others hold must be 0."""
    return anatomies.sum(1) / available.sum(1)[:, None, None, None, None]


class AnatomyPredictor(nn.Module):
    """The anatomy of every modality, from the anatomies of the available ones.

    It works at the resolution of the codes and says by how much each modality's anatomy differs from the mean of the
    available ones: a linear map of all of them, and what the blocks add to it. A new one says: not at all.

    Args:
        n_modalities: Contrasts.
        channels: Channels of an anatomy.
        widths: Channels of its blocks, one after the other, each with attention.
        heads: Attention heads.
        norm_groups: Most groups of a normalisation; fewer where they do not divide the channels.
        checkpointing: See :class:`Chain`.

    Raises:
        ValueError: If the heads do not divide a width.
    """

    def __init__(
        self,
        n_modalities: int,
        channels: int,
        widths: Sequence[int],
        heads: int,
        norm_groups: int,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        inputs, outputs = n_modalities * (channels + 1), n_modalities * channels  # availability goes in too
        self.straight = nn.Conv3d(inputs, outputs, 1)
        self.stem = nn.Conv3d(inputs, widths[0], 1)
        parts: list[nn.Module] = []
        for before, width in zip((widths[0], *widths), widths, strict=False):
            parts.append(MultiAxisResidualBlock(before, width, norm_groups))
            parts.append(MultiAxisAttention(width, heads, math.gcd(norm_groups, width)))
        self.blocks = Chain(parts, checkpointing)
        self.head = nn.Conv3d(widths[-1], outputs, 1)
        for last in (self.straight, self.head):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        """How much likelier a nearer code is: what nearness (``VectorCodes.nearness``) is multiplied with."""

    def forward(
        self, anatomies: Float[Tensor, "batch modality channel d h w"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality channel d h w"]:
        """Anatomy before quantisation of every modality; what is not available must be 0 in ``anatomies``."""
        there = available[:, :, None, None, None].expand(-1, -1, *anatomies.shape[3:]).to(anatomies.dtype)
        given = torch.cat([anatomies.flatten(1, 2), there], dim=1)
        differences = self.straight(given) + self.head(self.blocks(self.stem(given)))
        return shared_anatomy(anatomies, available)[:, None] + differences.float().view_as(anatomies)
