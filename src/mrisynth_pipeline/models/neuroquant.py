"""NeuroQuant: a 3D autoencoder with discrete anatomy and continuous contrast (arXiv 2604.05171), and an imputer on it.

Every modality of a subject is encoded on its own into *anatomy*, a grid of codes from one codebook for all modalities,
and *style*, a few pooled numbers. The decoder puts together the anatomy of one image with the style of another. The
published method reconstructs and swaps; imputation, more than two modalities and subjects that lack some are ours.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mrisynth_pipeline.models.blocks.anatomy_predictor import AnatomyPredictor, shared_anatomy
from mrisynth_pipeline.models.blocks.code_draws import draw_class
from mrisynth_pipeline.models.blocks.film import FiLM
from mrisynth_pipeline.models.blocks.multiaxis import MultiAxisDecoder, MultiAxisEncoder
from mrisynth_pipeline.models.blocks.quantisers import VectorCodes
from mrisynth_pipeline.models.door import SamplingImputer
from mrisynth_pipeline.models.image_autoencoder import Codes, ImageAutoencoder
from mrisynth_pipeline.models.neuroquant_architecture import NeuroQuantArchitecture
from mrisynth_pipeline.models.windows import in_windows


class NeuroQuantAutoencoder(ImageAutoencoder):
    """Encoder, codebook and decoder. Images in [0, 1] go in and come out.

    Sizes must be divisible by ``reduction`` (that of slices, in-plane). ``flat`` runs slices ``[batch, 1, 1, h, w]``
    through the same weights.

    Args:
        modalities: Contrasts that the decoder can make.
        architecture: Sizes and switches, or a mapping of them (from a model card).
    """

    name = "neuroquant_autoencoder"

    def __init__(self, modalities: tuple[str, ...], architecture: NeuroQuantArchitecture | dict[str, Any]) -> None:
        a = NeuroQuantArchitecture.model_validate(architecture)
        super().__init__(modalities, a)
        self.encoder = MultiAxisEncoder(1, a.widths, **a.trunk("encoder"))
        self.to_anatomy = nn.Conv3d(a.widths[-1], a.anatomical_channels, 1)
        self.to_style = nn.Conv3d(a.widths[-1], a.style_channels, 1)
        self.codes = VectorCodes(
            a.anatomical_channels,
            a.codebook_size,
            a.codebook_dim,
            a.codebook_decay,
            a.commitment_weight,
            a.dead_code_threshold,
            a.rotation_trick,
            a.quantise,
        )
        self.embedding = nn.Embedding(len(self.modalities), a.style_channels)
        beside = 2 * a.style_channels if a.conditioning == "concat" else 0
        self.decoder = MultiAxisDecoder(a.anatomical_channels + beside, a.widths, **a.trunk("decoder"))
        self.film = None
        if a.conditioning == "film":
            self.film = FiLM(2 * a.style_channels, a.film_hidden, self.decoder.modulated_channels)
        self.register_buffer("mean_styles", torch.zeros(len(self.modalities), a.style_channels))
        self.register_buffer("styles_remembered", torch.tensor(False))

    @property
    def discrete(self) -> bool:
        """Whether the anatomy is quantised."""
        return self.architecture.quantise

    def index_of(self, modality: str) -> int:
        """Channel of a modality.

        Raises:
            ValueError: If the model was not made for it.
        """
        if modality not in self.modalities:
            raise ValueError(f"the model knows {', '.join(self.modalities)} and was asked for {modality!r}")
        return self.modalities.index(modality)

    def encode(
        self, images: Float[Tensor, "batch 1 z y x"], flat: bool = False
    ) -> tuple[Float[Tensor, "batch anatomy d h w"], Float[Tensor, "batch style"]]:
        """Anatomy before quantisation, and style, of single images of any modality.

        Raises:
            ValueError: If a size is not divisible by the reduction.
        """
        self.require_divisible(images.shape[3 if flat else 2 :])
        features = self.encoder(2 * images - 1, flat)
        styles = self.to_style(features).float()
        if self.architecture.style_of == "everything":
            return self.to_anatomy(features), styles.mean((2, 3, 4))
        share = F.adaptive_avg_pool3d((images > 0).float(), styles.shape[2:])
        pooled = (share * styles).sum((2, 3, 4)) / share.sum((2, 3, 4)).clamp(min=1e-6)
        return self.to_anatomy(features), pooled

    def quantise(self, anatomy: Float[Tensor, "batch anatomy d h w"], learn: bool = True) -> Codes:
        """The nearest codes; in training mode the codebook follows, unless ``learn`` is False."""
        return Codes(*self.codes(anatomy, learn))

    def decode(
        self,
        codes: Float[Tensor, "batch anatomy d h w"],
        styles: Float[Tensor, "batch style"],
        modality: Int[Tensor, " batch"],
        flat: bool = False,
    ) -> Float[Tensor, "batch 1 z y x"]:
        """Images in [0, 1]: the anatomy that codes say, in a style, of the modalities (index) that are asked for."""
        condition = torch.cat([styles, self.embedding(modality)], dim=1)
        if self.film is not None:
            images = self.decoder(codes, self.film(condition), flat)
        else:
            everywhere = condition[:, :, None, None, None].expand(-1, -1, *codes.shape[2:])
            images = self.decoder(torch.cat([codes, everywhere], dim=1), None, flat)
        return (images + 1) / 2

    def mean_style(self, modality: Int[Tensor, " batch"]) -> Float[Tensor, "batch style"]:
        """The mean style of the training images of each modality (index).

        Raises:
            ValueError: If it has not been filled in after the training.
        """
        if not self.styles_remembered:
            raise ValueError("the mean style of the training images is not known yet: call remember_styles first")
        return self.mean_styles[modality]

    def forward(
        self, images: Float[Tensor, "batch 1 z y x"], modality: Int[Tensor, " batch"], flat: bool = False
    ) -> tuple[Float[Tensor, "batch 1 z y x"], Codes]:
        """Reconstruction of single images through their own codes and style, and the codes."""
        anatomy, styles = self.encode(images, flat)
        codes = self.quantise(anatomy)
        return self.decode(codes.values, styles, modality, flat), codes

    def tokens(self, images: Float[Tensor, "batch 1 z y x"]) -> Int[Tensor, "batch d h w"]:
        """Index of the code at every position of single images, in one pass; the codebook stays as it is.

        Raises:
            ValueError: If the anatomy is continuous.
        """
        if not self.discrete:
            raise ValueError("continuous anatomy has no code indices: build the model with quantise=True")
        return self.quantise(self.encode(images)[0], learn=False).indices

    @torch.inference_mode()
    def transfer(
        self,
        anatomy_of: Float[Tensor, "batch 1 z y x"],
        style_of: Float[Tensor, "batch 1 z y x"],
        modality: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch 1 z y x"]:
        """Swap: the anatomy of one image with the contrast of another, which is of the modality given (index).

        Volumes of any size; in windows as the architecture says.
        """

        def pair(part: Tensor, which: Tensor) -> Tensor:
            codes = self.quantise(self.encode(part[:, :1])[0])
            return self.decode(codes.values, self.encode(part[:, 1:])[1], which)

        return in_windows(pair, torch.cat([anatomy_of, style_of], dim=1), modality, self.architecture)

    def anatomies(
        self, images: Float[Tensor, "batch modality z y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality anatomy d h w"]:
        """Anatomy before quantisation of every available modality; 0 of the others, which are never looked at.

        Raises:
            ValueError: If a sample has nothing available.
        """
        if not available.any(1).all():
            raise ValueError("at least one modality of every sample must be available")
        size = (n // self.architecture.reduction for n in images.shape[2:])
        found = torch.zeros(*available.shape, self.architecture.anatomical_channels, *size, device=images.device)
        for m in available.any(0).nonzero()[:, 0].tolist():
            have = available[:, m].nonzero()[:, 0]
            found[have, m] = self.encode(images[have, m : m + 1])[0].float()
        return found


class NeuroQuant(SamplingImputer):
    """Missing contrasts from the anatomy of the available ones, in the mean style of the training images.

    The codes are those nearest to the mean of the available modalities' anatomies. With a predictor (Stage II) every
    contrast is decoded from codes of its own: the mean of all, each the likelier the nearer it is to the predicted
    anatomy (ours: in squared error better than the likeliest one). Without a predictor nothing says how likely a code
    is, and nothing can be drawn (:attr:`can_draw`).
    Volumes larger than the window are imputed window by window, blended by Gaussian weights.

    Args:
        modalities: Contrasts in channel order.
        architecture: Sizes and switches, or a mapping of them (from a model card).
        predictor_widths: Channels of the predictor's blocks; ``None`` for no predictor.

    Raises:
        ValueError: If a predictor is wanted and the anatomy is continuous, or the heads do not divide its widths.
    """

    name = "neuroquant"

    def __init__(
        self,
        modalities: tuple[str, ...],
        architecture: NeuroQuantArchitecture | dict[str, Any],
        predictor_widths: tuple[int, ...] | None = None,
    ) -> None:
        a = NeuroQuantArchitecture.model_validate(architecture)
        super().__init__(modalities, spatial_dims=3, divisor=a.reduction)
        self.architecture = a
        self.predictor_widths = None if predictor_widths is None else tuple(predictor_widths)
        self.autoencoder = NeuroQuantAutoencoder(self.modalities, self.architecture)
        self.predictor = None
        if self.predictor_widths is not None:
            if not a.quantise:
                raise ValueError("continuous anatomy has no codes to predict: build the model with quantise=True")
            self.predictor = AnatomyPredictor(
                len(self.modalities),
                a.anatomical_channels,
                self.predictor_widths,
                a.heads,
                a.norm_groups,
                a.gradient_checkpointing,
            )

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return self.autoencoder.construction() | {
            "predictor_widths": None if self.predictor_widths is None else list(self.predictor_widths)
        }

    def codes(
        self, images: Float[Tensor, "batch modality z y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality anatomy d h w"]:
        """What each modality is decoded from, in one pass."""
        anatomies = self.autoencoder.anatomies(images, available)
        if self.predictor is None:
            values = self.autoencoder.quantise(shared_anatomy(anatomies, available), learn=False).values
            return values[:, None].expand_as(anatomies)
        likely = self.code_logits(anatomies, available).softmax(2)
        return self.autoencoder.codes.expected(likely.flatten(0, 1)).unflatten(0, likely.shape[:2])

    def code_logits(
        self, anatomies: Float[Tensor, "batch modality anatomy d h w"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality code d h w"]:
        """What the predictor says of every code of every modality.

        Args:
            anatomies: Before quantisation, 0 of what is not available.
            available: What may be looked at.
        """
        predicted = self.predictor(anatomies, available)
        nearness = self.autoencoder.codes.nearness(predicted.flatten(0, 1)).unflatten(0, predicted.shape[:2])
        return self.predictor.sharpness * nearness

    def complete(
        self, images: Float[Tensor, "batch modality z y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality z y x"]:
        """Images in which each modality that a sample lacks is decoded, in one pass; the others are 0."""
        return self._decoded(self.codes(images, available), images, available)

    def _decoded(
        self,
        codes: Float[Tensor, "batch modality anatomy d h w"],
        images: Float[Tensor, "batch modality z y x"],
        available: Bool[Tensor, "batch modality"],
    ) -> Float[Tensor, "batch modality z y x"]:
        """Each modality that a sample lacks, from its codes and in its mean style; the others are 0."""
        made = images.new_zeros(images.shape)
        for m in (~available).any(0).nonzero()[:, 0].tolist():
            lacking = (~available[:, m]).nonzero()[:, 0]
            which = torch.full_like(lacking, m)
            decoded = self.autoencoder.decode(codes[lacking, m], self.autoencoder.mean_style(which), which)
            made[lacking, m] = decoded[:, 0].to(made.dtype)
        return made

    @property
    def graph_obstacle(self) -> str:
        """What is encoded depends on what is available."""
        return "it encodes only the contrasts that a sample has: another graph for every subset of them"

    def predict(
        self, images: Float[Tensor, "batch modality z y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality z y x"]:
        """Missing modalities decoded, the others 0 (the door puts in what is available)."""
        return in_windows(self.complete, images, available, self.architecture)

    @property
    def can_draw(self) -> bool:
        """Whether there is a predictor, which says how likely every code is."""
        return self.predictor is not None

    def draw(
        self,
        images: Float[Tensor, "batch modality z y x"],
        available: Bool[Tensor, "batch modality"],
        temperature: float,
        generator: torch.Generator,
    ) -> Iterator[Float[Tensor, "batch modality z y x"]]:
        """Without end, the missing modalities of codes drawn from the predictor's distribution; the others 0.

        At temperature 0 the likeliest codes, whereas :meth:`predict` decodes the mean of all codes, which no draw is.
        The uniform numbers behind a draw belong to places of the volume, not to windows: where two windows overlap
        they draw the same codes as far as they believe the same, and blending them takes no width away.
        """
        reduction, logits = self.architecture.reduction, []
        grid = tuple(n // reduction for n in images.shape[2:])

        def drawn(part: Tensor, row: Tensor) -> Tensor:
            shown, uniform = part.chunk(2, dim=1)
            if (number := next(windows)) == len(logits):  # windows come in the same order for every draw
                logits.append(self.code_logits(self.autoencoder.anatomies(shown, row), row))
            at_codes = uniform[(..., *(slice(reduction // 2, None, reduction),) * 3)]
            indices = draw_class(logits[number].flatten(0, 1), at_codes.flatten(0, 1), temperature)
            codes = self.autoencoder.codes.of(indices).unflatten(0, row.shape)
            return self._decoded(codes, shown, row)

        while True:
            windows = itertools.count()
            uniform = torch.rand(*available.shape, *grid, generator=generator).to(images)
            everywhere = F.interpolate(uniform, scale_factor=reduction)  # the same in all voxels of a code
            yield in_windows(drawn, torch.cat([images, everywhere], dim=1), available, self.architecture)
