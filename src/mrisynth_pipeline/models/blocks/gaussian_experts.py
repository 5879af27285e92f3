"""Diagonal Gaussians and their products: the experts of MMHVAE (arXiv 2410.19378, section 3).

A product of Gaussians N(μ_j, σ_j²) is, but for its norm, the Gaussian with 1/σ² = Σ 1/σ_j² and μ = σ² Σ μ_j/σ_j².
An expert that is not used has precision 0: it is as if it were not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def soft_clamp(values: Float[Tensor, "*any"], limit: float = 10.0) -> Float[Tensor, "*any"]:
    """Smoothly into (−limit, limit), nearly unchanged around 0: limit · tanh(values / limit), in single precision."""
    return limit * torch.tanh(values.float() / limit)


@dataclass(frozen=True)
class Gaussian:
    """Independent normal variables, such as one level of latents.

    Args:
        mean: ``[batch, channel, *spatial]``.
        log_scale: Natural logarithm of the standard deviation, of the same shape.
    """

    mean: Float[Tensor, "batch *variable"]
    log_scale: Float[Tensor, "batch *variable"]

    @staticmethod
    def standard(like: Float[Tensor, "batch *variable"]) -> "Gaussian":
        """Mean 0 and standard deviation 1."""
        return Gaussian(torch.zeros_like(like), torch.zeros_like(like))

    @staticmethod
    def of(parameters: Float[Tensor, "batch twice *spatial"]) -> "Gaussian":
        """From the output of a network: first half the means, second half the log-scales, both clamped softly."""
        mean, log_scale = soft_clamp(parameters).chunk(2, dim=1)
        return Gaussian(mean, log_scale)

    def rows(self, first: int, count: int) -> "Gaussian":
        """Those of some samples in a row."""
        return Gaussian(self.mean[first : first + count], self.log_scale[first : first + count])

    def draw(
        self, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch *variable"]:
        """A draw with the standard deviations times a temperature; 0 gives the mean.

        Args:
            temperature: Factor, at least 0.
            generator: Of any device; one on the CPU draws the same for parameters on all devices.
        """
        if temperature == 0:
            return self.mean
        device = self.mean.device if generator is None else generator.device
        noise = torch.randn(self.mean.shape, generator=generator, device=device).to(self.mean)
        return self.mean + temperature * self.log_scale.exp() * noise


@dataclass(frozen=True)
class Expert:
    """What one modality says of some samples of a batch.

    Args:
        rows: Which samples.
        opinion: Its Gaussian for each of them.
    """

    rows: Int[Tensor, " rows"]
    opinion: Gaussian

    def within(self, first: int, count: int) -> "Expert":
        """What it says of some samples in a row, which are counted from 0 then."""
        chosen = (self.rows >= first) & (self.rows < first + count)
        return Expert(self.rows[chosen] - first, Gaussian(self.opinion.mean[chosen], self.opinion.log_scale[chosen]))


def product_of_experts(
    prior: Gaussian, experts: Sequence[Expert], used: Bool[Tensor, "batch expert"] | None = None
) -> Gaussian:
    """The product of a prior with experts, sample by sample.

    Args:
        prior: Takes part in every product.
        experts: In the order of ``used``; each speaks for its own rows only.
        used: Which experts take part for which sample; ``None``: all that speak for it.

    Returns:
        The normalised product. A sample for which no expert takes part keeps the prior.
    """
    precision = torch.exp(-2.0 * prior.log_scale)
    weighted = precision * prior.mean
    for number, expert in enumerate(experts):
        own = torch.exp(-2.0 * expert.opinion.log_scale)
        if used is not None:
            own = own * used[expert.rows, number].reshape(-1, *(1,) * (own.ndim - 1))
        precision = precision.index_add(0, expert.rows, own)
        weighted = weighted.index_add(0, expert.rows, own * expert.opinion.mean)
    return Gaussian(weighted / precision, -0.5 * precision.log())


def kl_divergence(q: Gaussian, p: Gaussian) -> Float[Tensor, "batch *variable"]:
    """KL(q ‖ p) of each variable in nats: log σ_p/σ_q + (σ_q² + (μ_q − μ_p)²) / 2σ_p² − ½."""
    log_ratio = p.log_scale - q.log_scale
    variance_ratio = torch.exp(-2.0 * log_ratio)
    distance = (q.mean - p.mean) * torch.exp(-p.log_scale)
    return log_ratio + 0.5 * (variance_ratio + distance.square() - 1.0)
