"""Real images of each modality, kept from earlier steps: what lets a discriminator judge a modality that is missing."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

_UNIT = 32767
"""Stored as 16-bit integers: half the memory, and the average of the weights leaves integers alone."""


class ImagePool(nn.Module):
    """The newest real images of every modality, a fixed number of each; part of the checkpoint.

    Args:
        n_modalities: Contrasts.
        capacity: Images kept of each.
        size: Of the images (y, x).
    """

    def __init__(self, n_modalities: int, capacity: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("added", torch.zeros(n_modalities, dtype=torch.long))
        self.register_buffer("images", torch.zeros(n_modalities, capacity, 1, *size, dtype=torch.int16))

    def add(self, images: Float[Tensor, "batch modality y x"], present: Bool[Tensor, "batch modality"]) -> None:
        """Keep those that are there, in place of the oldest; values in [0, 1]."""
        for channel in range(images.shape[1]):
            new = images[present[:, channel], channel, None][-self.capacity :]
            slots = (self.added[channel] + torch.arange(len(new), device=images.device)) % self.capacity
            self.images[channel, slots] = (new.float() * _UNIT).round().to(torch.int16)
            self.added[channel] += len(new)

    def draw(self, channel: int, count: int, generator: torch.Generator) -> Float[Tensor, "drawn 1 y x"]:
        """Random images of a modality, with replacement; none if it has none yet.

        Args:
            channel: Which modality.
            count: How many.
            generator: On the CPU.
        """
        kept = min(int(self.added[channel]), self.capacity)
        chosen = torch.randint(max(kept, 1), (count if kept else 0,), generator=generator)
        return self.images[channel, chosen.to(self.images.device)].float() / _UNIT
