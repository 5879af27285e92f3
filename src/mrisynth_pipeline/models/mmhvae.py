"""MMHVAE: a hierarchical VAE whose posterior is a mixture of products of experts (arXiv 2410.19378, TPAMI 2026).

Latents z_L … z_1 go from a vector to full resolution. Every modality that is there gives at each level an opinion of
the latent, a Gaussian; the posterior is their product with the prior p(z_l | z_{l+1}). A modality that is missing has
no opinion, so any subset of modalities has a posterior, and all modalities are decoded from z_1 alone.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from mrisynth_pipeline.models.blocks.gaussian_experts import Expert, Gaussian, product_of_experts
from mrisynth_pipeline.models.blocks.hierarchical_cells import (
    DecoderCell,
    EncoderCell,
    Enlarge,
    FromVector,
    ImageHead,
    Norm,
    PosteriorHead,
    ToVector,
    weight_normed_1x1,
)
from mrisynth_pipeline.models.door import SamplingImputer, padded
from mrisynth_pipeline.models.foreground import foreground
from mrisynth_pipeline.parameters import Parameters


class MMHVAEArchitecture(Parameters):
    """Sizes of MMHVAE; the defaults are the release's."""

    levels: int | None = Field(None, ge=2)
    """Levels of latents, the vector included; each halves the resolution. ``None`` takes as many as the grid allows
    (see :func:`levels_for`): 7 for slices of 192×192."""
    width: int = Field(16, ge=4, multiple_of=2)
    """Channels at full resolution, doubled by each level up to ``max_width``; latents have half as many."""
    max_width: int = Field(128, ge=4, multiple_of=2)
    """Most channels; the top latent is a vector of twice as many numbers."""
    bottleneck_size: int = Field(3, ge=1)
    """The smallest feature maps are pooled to this many voxels each way before they become a vector."""
    expansion: int = Field(6, ge=1)
    """Times that the decoder's cells widen their channels inside."""
    head_width: int = Field(8, ge=1)
    """Channels of the heads that draw the images."""
    head_blocks: int = Field(6, ge=0)
    """Residual blocks of each head."""
    head_kernel: Literal[3, 5, 7] = 7
    """Size of each head's last two convolutions."""
    norm: Norm = "instance"
    """``instance``: every channel of a slice is normalised; ``pixel`` (ours): the channels of every pixel."""
    temperature: float = Field(0.0, ge=0)
    """Factor on the standard deviations of all latents when imputing; 0 decodes the means of the posterior."""
    n_samples: int = Field(1, ge=1)
    """Draws that an imputation is the mean of; no effect at temperature 0."""

    def for_grid(self, size: tuple[int, int]) -> "MMHVAEArchitecture":
        """The same with the levels that fit slices of a size (y, x), unless they are given."""
        return self if self.levels else self.model_copy(update={"levels": levels_for(size)})


def levels_for(size: tuple[int, int]) -> int:
    """Levels for slices of a size (y, x): the shorter side is halved until 3 voxels or not much more are left."""
    return max(int(math.log2(min(size) / 3)), 1) + 1


@dataclass(frozen=True)
class Encoding:
    """What one modality's encoder makes of the samples that have it."""

    place: Int[Tensor, " batch"]
    """Where a sample stands in the features; −1 for one that lacks the modality."""
    features: list[Float[Tensor, "rows channel y x"]]
    """Finest first."""


@dataclass(frozen=True)
class Level:
    """One level of latents on the way down."""

    prior: Gaussian
    """p(z_l | z_{l+1})."""
    experts: list[Expert]
    """The opinion of each modality."""
    posterior: Gaussian
    """Their product."""


@dataclass(frozen=True)
class Descent:
    """Latents drawn from the top to the finest level."""

    levels: list[Level]
    """Top first."""
    finest: Float[Tensor, "batch channel y x"]
    """What was drawn of z_1."""


class MMHVAE(SamplingImputer):
    """Encoders and heads of each modality around shared posterior heads, priors and decoder.

    Args:
        modalities: Contrasts in channel order.
        architecture: Sizes with the number of levels, or a mapping of them (from a model card).

    Raises:
        ValueError: If the number of levels is not given.
    """

    name = "mmhvae"

    def __init__(self, modalities: tuple[str, ...], architecture: MMHVAEArchitecture | dict[str, Any]) -> None:
        a = MMHVAEArchitecture.model_validate(architecture)
        if a.levels is None:
            raise ValueError("the number of levels must be given; see MMHVAEArchitecture.for_grid")
        super().__init__(modalities, spatial_dims=2, divisor=2 ** (a.levels - 1))
        self.architecture = a
        widths = [min(a.width * 2**level, a.max_width) for level in range(a.levels)]  # finest first
        self.encoders = nn.ModuleList(_Encoder(widths, a.norm) for _ in modalities)
        vector = 2 * widths[-1]
        self.to_top = ToVector(widths[-1], a.bottleneck_size, 2 * vector)
        self.from_top = FromVector(vector, widths[-1], a.bottleneck_size)
        self.steps = nn.ModuleList()
        above = widths[-1]
        for width in reversed(widths[:-1]):
            self.steps.append(_Step(above, width, a.expansion, a.norm))
            above = width // 2
        self.heads = nn.ModuleList(
            ImageHead(above, a.head_width, a.head_blocks, a.head_kernel, a.norm) for _ in modalities
        )

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return super().construction() | {"architecture": self.architecture.model_dump(mode="json")}

    @property
    def graph_obstacle(self) -> str:
        """What is encoded depends on what is available."""
        return (
            "it encodes only the contrasts that a sample has, draws random numbers, and looks for the head with SciPy"
        )

    def encode(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> list[Encoding]:
        """Features of every modality, of the samples that have it alone: what else its channel holds is not looked at.

        Args:
            images: Intensities in [0, 1], sizes divisible by ``divisor``.
            available: Which modalities each sample has.
        """
        encodings = []
        for channel, encoder in enumerate(self.encoders):
            rows = available[:, channel].nonzero()[:, 0]
            place = torch.full((len(images),), -1, device=images.device)
            place[rows] = torch.arange(len(rows), device=images.device)
            encodings.append(Encoding(place, encoder(2.0 * images[rows, channel, None] - 1.0) if len(rows) else []))
        return encodings

    def descend(
        self,
        encodings: list[Encoding],
        used: Bool[Tensor, "subset*batch modality"],
        size: tuple[int, int],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Descent:
        """From the top latent to the finest, each drawn from its posterior given the one above.

        Args:
            encodings: Of a batch.
            used: Modalities whose opinion is asked, one or several subsets of what each sample of the batch has:
                first those of the whole batch, then as many again, and so on.
            size: Of the images (y, x).
            temperature: Factor on the standard deviations.
            generator: Of the draws.
        """

        def experts(head: nn.Module, level: int, state: Tensor | None) -> list[Expert]:
            found = []
            for channel, encoding in enumerate(encodings):
                rows = used[:, channel].nonzero()[:, 0]
                if len(rows) == 0:
                    continue
                features = encoding.features[level][encoding.place[rows % len(encoding.place)]]
                told = features if state is None else torch.cat([state[rows], features.to(state.dtype)], 1)
                found.append(Expert(rows, Gaussian.of(head(told))))
            return found

        top = len(self.steps)
        prior = Gaussian.standard(torch.zeros(len(used), 2 * self.from_top.shape[0], device=used.device))
        opinions = experts(self.to_top, top, None)
        levels = [Level(prior, opinions, product_of_experts(prior, opinions))]
        latent = levels[0].posterior.draw(temperature, generator)
        latent = self.from_top(latent, tuple(n // self.divisor for n in size))
        for step, level in zip(self.steps, reversed(range(top)), strict=True):
            state = step.state(latent)
            prior = Gaussian.of(step.prior(state))
            opinions = experts(step.posterior, level, state)
            levels.append(Level(prior, opinions, product_of_experts(prior, opinions)))
            latent = levels[-1].posterior.draw(temperature, generator)
        return Descent(levels, latent)

    def decode(self, finest: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch modality y x"]:
        """All modalities in (0, 1) from z_1."""
        return 0.5 * (torch.cat([head(finest) for head in self.heads], 1) + 1.0)

    def draw(
        self,
        images: Float[Tensor, "batch modality y x"],
        available: Bool[Tensor, "batch modality"],
        temperature: float,
        generator: torch.Generator,
    ) -> Iterator[Float[Tensor, "batch modality y x"]]:
        """Without end, draws of all modalities in [0, 1]; the images are encoded once.

        What lies beyond the head in all available modalities is 0, as in every prepared scan; tanh never reaches it.
        """
        encodings, size = self.encode(images, available), tuple(images.shape[2:])
        inside = torch.stack([foreground(image) for image in images])[:, None]
        while True:
            yield self.decode(self.descend(encodings, available, size, temperature, generator).finest) * inside

    def predict(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality y x"]:
        """The mean of as many draws at the temperature that the architecture says; always the same."""
        a = self.architecture
        draws = self.draw(images, available, a.temperature, torch.Generator().manual_seed(0))
        n = a.n_samples if a.temperature else 1
        return sum(next(draws) for _ in range(n)) / n

    @torch.inference_mode()
    def latent(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch channel y x"]:
        """The mean of z_1, with the means of all levels above it, from some modalities; of the size of the images."""
        inputs, _ = self._inputs(images, available)
        inputs = padded(inputs, self.divisor)
        found = self.descend(self.encode(inputs, available), available, tuple(inputs.shape[2:]), temperature=0.0)
        return found.finest[:, :, : images.shape[2], : images.shape[3]]


class _Encoder(nn.Module):
    """One modality's features at every resolution.

    Args:
        widths: Channels of each, finest first.
        norm: Of its cells.
    """

    def __init__(self, widths: list[int], norm: Norm) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, widths[0], 3, padding=1)
        self.cells = nn.ModuleList(EncoderCell(width, norm) for width in widths)
        self.halvings = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in itertools.pairwise(widths)
        )

    def forward(self, image: Float[Tensor, "batch 1 y x"]) -> list[Float[Tensor, "batch channel ys xs"]]:
        """Finest first; from an image in [−1, 1]."""
        features = [self.cells[0](self.stem(image))]
        for halve, cell in zip(self.halvings, self.cells[1:], strict=True):
            features.append(cell(halve(features[-1])))
        return features


class _Step(nn.Module):
    """From one latent to the prior and the posterior of the next finer one.

    Args:
        above: Channels of the latent above.
        width: Channels of the state, which is twice as many as the latent has.
        expansion: Of the decoder's cell.
        norm: Of all cells.
    """

    def __init__(self, above: int, width: int, expansion: int, norm: Norm) -> None:
        super().__init__()
        self.state = nn.Sequential(Enlarge(above, width), DecoderCell(width, expansion, norm))
        self.prior = weight_normed_1x1(width, width)
        self.posterior = PosteriorHead(width, norm)
