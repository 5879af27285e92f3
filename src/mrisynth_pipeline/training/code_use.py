"""How much of a codebook is in use, and what it draws in training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Int
from torch import Tensor


class CodeUse:
    """Counts codes over a validation.

    Args:
        size: Number of codes in the codebook.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._counts: Tensor | None = None

    def add(self, indices: Int[Tensor, "*shape"]) -> None:
        """Count some codes."""
        counts = torch.bincount(indices.flatten(), minlength=self.size)
        self._counts = counts if self._counts is None else self._counts + counts

    def take(self) -> dict[str, float]:
        """Perplexity (effective number of codes), codes used and their share of the codebook; counting starts anew.

        Empty, if nothing was counted.
        """
        if self._counts is None:
            return {}
        counts, self._counts = self._counts.double(), None
        share = counts[counts > 0] / counts.sum()
        perplexity = float(torch.exp(-(share * share.log()).sum()))
        return {
            "code_perplexity": perplexity,
            "codes_used": float(len(share)),
            "codebook_usage": len(share) / self.size,
        }


@contextmanager
def codes_drawn_from(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Let what a codebook draws (its start, replaced codes) depend on a step's generator, so that runs can resume.

    Args:
        generator: Of the step, on the CPU.
        device: Where the codebook lies.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield
