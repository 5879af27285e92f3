"""CodeBrain: any-to-any imputation as code prediction (arXiv 2501.18328, CVPR 2026).

Stage I learns, for a complete stack of slices, a grid of scalar codes such that codes plus features of the *available*
slices rebuild all of them. Stage II learns to predict those codes from the available slices alone. Parameter counts of
every part at the paper's size are held to the published architecture by a test.
"""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from mrisynth_pipeline.models.blocks.code_draws import draw_class, draw_level
from mrisynth_pipeline.models.blocks.nafnet import NAFDecoder, NAFEncoder, SpatialConv
from mrisynth_pipeline.models.blocks.quantisers import PlanarVectorCodes, ScalarCodes
from mrisynth_pipeline.models.door import SamplingImputer
from mrisynth_pipeline.parameters import Parameters


class CodeBrainArchitecture(Parameters):
    """Sizes and switches of CodeBrain; the defaults are the paper's."""

    posterior_width: int = Field(32, ge=2)
    """Base width of the posterior encoder, which sees the complete stack."""
    common_width: int = Field(96, ge=2)
    """Base width of the common encoder and of the grader, which see the available slices."""
    decoder_width: int = Field(96, ge=2)
    """Base width of the decoder."""
    depth: int = Field(6, ge=1)
    """NAF blocks at the lowest resolution of every part."""
    levels: tuple[int, ...] = (8, 8, 8, 5, 5, 5)
    """FSQ levels per code channel; (8, 8, 8, 5, 5, 5) gives 64 000 codes."""
    common_features: bool = True
    """Whether the decoder also reads the common features F_c of the available slices (ablation: False)."""
    quantise: bool = True
    """Whether codes are rounded; False gives the continuous condition of the ablation, whatever the quantiser."""
    quantiser: Literal["fsq", "vq"] = "fsq"
    """``fsq``: each channel of a code is rounded to its ``levels``. ``vq`` (ours): the code is the nearest of a
    codebook of vectors. The paper chose FSQ and has, as far as we know, no row with VQ; all about it here is ours."""
    codebook_size: int = Field(1024, ge=2)
    """Number of codes of ``vq``. As many as FSQ's 64 000 would hardly be learned: a code is moved by those of a batch's
    positions that are nearest to it, and a codebook of vectors collapses the more, the larger it is (FSQ paper)."""
    codebook_dim: int = Field(32, ge=1)
    """Length of a code of ``vq``, and channels that the posterior encoder then has."""
    codebook_decay: float = Field(0.99, gt=0, lt=1)
    """Decay per step of the moving averages that the codebook of ``vq`` follows."""
    code_objective: Literal["grading", "classification"] = "grading"
    """Stage II's view of a channel with L levels: L − 1 ordered yes/no questions, or L classes. The codes of ``vq``
    have no order that could be graded: they are one channel of ``codebook_size`` classes whatever is said here."""
    encoder_conv: SpatialConv = "plain"
    """3×3 layers of all encoders; ``cagr`` puts AGI-Net's adaptive ones in their place (ours, even widths only)."""

    @property
    def vector_codes(self) -> bool:
        """Whether codes are vectors of a codebook."""
        return self.quantise and self.quantiser == "vq"

    def codes(self) -> ScalarCodes | PlanarVectorCodes:
        """A new quantiser."""
        if self.vector_codes:
            return PlanarVectorCodes(self.codebook_size, self.codebook_dim, self.codebook_decay)
        return ScalarCodes(self.levels, quantise=self.quantise)


class CodeBrainAutoencoder(nn.Module):
    """Stage I: posterior encoder, quantiser, common encoder and decoder.

    Args:
        n_modalities: Contrasts in the stack.
        architecture: Sizes and switches, or a mapping of them (from a model card).
    """

    name = "codebrain_autoencoder"

    def __init__(self, n_modalities: int, architecture: CodeBrainArchitecture | dict[str, Any]) -> None:
        super().__init__()
        self.n_modalities = n_modalities
        self.architecture = a = CodeBrainArchitecture.model_validate(architecture)
        codes = a.codes()
        self.posterior_encoder = NAFEncoder(
            n_modalities, a.posterior_width, a.depth, out_channels=codes.channels, kind=a.encoder_conv
        )
        self.codes = codes
        self.common_encoder = (
            NAFEncoder(n_modalities, a.common_width, a.depth, kind=a.encoder_conv) if a.common_features else None
        )
        common_channels = self.common_encoder.out_channels if self.common_encoder else 0
        self.decoder = NAFDecoder(codes.channels + common_channels, a.decoder_width, a.depth, n_modalities)

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return {"n_modalities": self.n_modalities, "architecture": self.architecture.model_dump(mode="json")}

    def encode(self, images: Float[Tensor, "batch modality y x"]) -> Float[Tensor, "batch code y8 x8"]:
        """Code values of a complete stack; a codebook is left as it is, in training mode too."""
        return self.codes(self.posterior_encoder(images))

    def decode(
        self,
        values: Float[Tensor, "batch code y8 x8"],
        images: Float[Tensor, "batch modality y x"],
        available: Bool[Tensor, "batch modality"],
    ) -> Float[Tensor, "batch modality y x"]:
        """All modalities from code values and the available slices; not clamped."""
        return self.decode_beside(values, self.common(images, available))

    def common(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch feature y8 x8"] | None:
        """The common features F_c of the available slices; ``None`` where the decoder reads none."""
        return None if self.common_encoder is None else self.common_encoder(images * available[:, :, None, None])

    def decode_beside(
        self, values: Float[Tensor, "batch code y8 x8"], common: Float[Tensor, "batch feature y8 x8"] | None
    ) -> Float[Tensor, "batch modality y x"]:
        """All modalities from code values and the common features; not clamped."""
        return self.decoder(values if common is None else torch.cat([values.to(common.dtype), common], dim=1))

    def forward(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> tuple[Float[Tensor, "batch modality y x"], Float[Tensor, "batch code y8 x8"]]:
        """Reconstruction of a complete stack through its codes, and the code values."""
        values = self.encode(images)
        return self.decode(values, images, available), values

    def learn(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> tuple[Float[Tensor, "batch modality y x"], Float[Tensor, ""]]:
        """Reconstruction of a complete stack, and the quantiser's loss; in training mode a codebook follows."""
        values, loss = self.codes.learn(self.posterior_encoder(images))
        return self.decode(values, images, available), loss


class CodePredictor(nn.Module):
    """Stage II: from the available slices to the codes of the complete stack.

    The paper's *grader* asks of every channel with L levels the L − 1 questions "is the level above k?"; the level is
    the number of yeses. The classifier of its ablation has L logits per channel. With continuous codes (no levels to
    predict) the head regresses the values themselves; how the paper trains that row is unknown, the choice is ours.
    Vector codes are one channel of classes.

    Args:
        n_modalities: Contrasts in the stack.
        architecture: Sizes and switches.
        codes: The quantiser whose codes are predicted; needed where it has a codebook.

    Raises:
        ValueError: If codes of a codebook are to be predicted, and it is not given.
    """

    codes: ScalarCodes | PlanarVectorCodes

    def __init__(
        self, n_modalities: int, architecture: CodeBrainArchitecture, codes: PlanarVectorCodes | None = None
    ) -> None:
        super().__init__()
        if not architecture.vector_codes:
            self.codes = architecture.codes()
        elif codes is None:
            raise ValueError("vector codes are those of the autoencoder's codebook: give its codes")
        else:
            # Past nn.Module, which would take the autoencoder's codebook for a second one of the predictor's own.
            self.__dict__["codes"] = codes
        self.objective = architecture.code_objective if architecture.quantise else "regression"
        if architecture.vector_codes:
            self.objective = "classification"
        levels = self.codes.levels
        self.channel_sizes = {
            "grading": [n - 1 for n in levels],
            "classification": list(levels),
            "regression": [1] * len(levels),
        }[self.objective]
        self.encoder = NAFEncoder(
            n_modalities,
            architecture.common_width,
            architecture.depth,
            out_channels=sum(self.channel_sizes),
            kind=architecture.encoder_conv,
        )

    def forward(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch logit y8 x8"]:
        """Logits of all channels, one channel after the other."""
        return self.encoder(images * available[:, :, None, None])

    def loss(
        self, logits: Float[Tensor, "batch logit y8 x8"], values: Float[Tensor, "batch code y8 x8"]
    ) -> Float[Tensor, ""]:
        """Mean over code channels of the binary (grading) or categorical cross-entropy, or of the absolute error."""
        parts = logits.float().split(self.channel_sizes, dim=1)
        if self.objective == "regression":
            return (torch.tanh(torch.cat(parts, dim=1)) - values).abs().mean()
        levels = self.codes.to_levels(values)
        losses = []
        for part, level in zip(parts, levels.unbind(1), strict=True):
            if self.objective == "grading":
                questions = torch.arange(part.shape[1], device=part.device)[:, None, None]
                answers = (level[:, None] > questions).float()
                losses.append(nn.functional.binary_cross_entropy_with_logits(part, answers))
            else:
                losses.append(nn.functional.cross_entropy(part, level))
        return torch.stack(losses).mean()

    def predicted_levels(self, logits: Float[Tensor, "batch logit y8 x8"]) -> Int[Tensor, "batch code y8 x8"]:
        """Level of each channel: yeses counted (grading) or the likeliest class."""
        parts = logits.split(self.channel_sizes, dim=1)
        if self.objective == "grading":
            return torch.stack([(part > 0).sum(1) for part in parts], dim=1)
        if self.objective == "classification":
            return torch.stack([part.argmax(1) for part in parts], dim=1)
        return self.codes.to_levels(torch.tanh(logits.float()))

    def predicted_values(self, logits: Float[Tensor, "batch logit y8 x8"]) -> Float[Tensor, "batch code y8 x8"]:
        """Code values for the decoder."""
        if self.objective == "regression":
            return torch.tanh(logits.float())
        return self.codes.to_values(self.predicted_levels(logits)).float()

    def drawn_values(
        self, logits: Float[Tensor, "batch logit y8 x8"], temperature: float, generator: torch.Generator
    ) -> Float[Tensor, "batch code y8 x8"]:
        """Code values drawn from what the logits say, each position and channel by itself; 0 gives the predicted ones.

        Raises:
            ValueError: If codes are continuous: a regressed value says nothing of how sure it is.
        """
        if self.objective == "regression":
            raise ValueError("continuous codes have no distribution to draw from: build the model with quantise=True")
        draw = {"grading": draw_level, "classification": draw_class}[self.objective]
        parts = logits.float().split(self.channel_sizes, dim=1)
        shape = (len(parts), len(logits), *logits.shape[2:])
        uniform = torch.rand(shape, generator=generator).to(logits.device)
        levels = [draw(part, number, temperature) for part, number in zip(parts, uniform, strict=True)]
        return self.codes.to_values(torch.stack(levels, dim=1)).float()


class CodeBrain(SamplingImputer):
    """Both stages together: the imputer.

    The paper decodes the predicted codes. Codes drawn from the predictor's distribution (ours) carry its entropy into
    the images; continuous codes have none (:attr:`can_draw`).

    Args:
        modalities: Contrasts in channel order.
        architecture: Sizes and switches, or a mapping of them (from a model card).
    """

    name = "codebrain"

    def __init__(self, modalities: tuple[str, ...], architecture: CodeBrainArchitecture | dict[str, Any]) -> None:
        super().__init__(modalities, spatial_dims=2, divisor=NAFEncoder.reduction)
        self.architecture = architecture = CodeBrainArchitecture.model_validate(architecture)
        self.autoencoder = CodeBrainAutoencoder(len(modalities), architecture)
        codes = self.autoencoder.codes if architecture.vector_codes else None
        self.predictor = CodePredictor(len(modalities), architecture, codes)

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return {
            "modalities": list(self.modalities),
            "architecture": self.architecture.model_dump(mode="json"),
        }

    def predict(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality y x"]:
        """Predict the codes from the available slices, then decode."""
        values = self.predictor.predicted_values(self.predictor(images, available))
        return self.autoencoder.decode(values, images, available)

    @property
    def can_draw(self) -> bool:
        """Whether codes are levels, of which the predictor says how likely they are."""
        return self.architecture.quantise

    def draw(
        self,
        images: Float[Tensor, "batch modality y x"],
        available: Bool[Tensor, "batch modality"],
        temperature: float,
        generator: torch.Generator,
    ) -> Iterator[Float[Tensor, "batch modality y x"]]:
        """Without end, the images of codes drawn from the predictor's distribution; at temperature 0 the prediction."""
        logits, common = self.predictor(images, available), self.autoencoder.common(images, available)
        while True:
            yield self.autoencoder.decode_beside(self.predictor.drawn_values(logits, temperature, generator), common)
