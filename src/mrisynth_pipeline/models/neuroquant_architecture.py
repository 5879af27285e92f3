"""Sizes and switches of NeuroQuant (arXiv 2604.05171)."""

from typing import Any, Literal

from pydantic import Field, model_validator

from mrisynth_pipeline.parameters import Parameters


class NeuroQuantArchitecture(Parameters):
    """Sizes and switches of NeuroQuant; the defaults are those of the authors' release."""

    widths: tuple[int, ...] = Field((64, 128, 256, 256), min_length=1)
    """Channels of the encoder's stages; each halves the resolution, so that codes lie 2^stages voxels apart."""
    encoder_attention: tuple[int, ...] = (3, 4)
    """Stages of the encoder, counted from 1, with attention (the paper's figure shows it in all)."""
    middle_attention: tuple[Literal["encoder", "decoder"], ...] = ("encoder", "decoder")
    """Whose middle has attention."""
    decoder_attention: tuple[int, ...] = (1, 2)
    """Stages of the decoder, counted from 1 at the lowest resolution, with attention."""
    heads: int = Field(8, ge=1)
    """Heads of every attention."""
    norm_groups: int = Field(32, ge=1)
    """Most groups of a group normalisation; fewer where they do not divide the channels. Groups of one or two channels
    take the level of intensities out: with few channels, few groups learn faster."""
    anatomical_channels: int = Field(64, ge=1)
    """Channels of the anatomy."""
    style_channels: int = Field(32, ge=1)
    """Channels of the style, and length of a modality's embedding."""
    style_of: Literal["everything", "foreground"] = "everything"
    """Where the style is the mean of: all positions (the release), or those in whose voxels there is something (ours):
    how much background a field of view has does not belong to a contrast."""
    conditioning: Literal["film", "concat"] = "film"
    """How style and embedding reach the decoder: they scale and shift its features, or lie beside the codes."""
    film_hidden: int = Field(256, ge=1)
    """Hidden units of FiLM's perceptron."""
    codebook_size: int = Field(4096, ge=2)
    """Number of codes, for all modalities."""
    codebook_dim: int = Field(64, ge=1)
    """Length of a code; the anatomy is projected if it has other channels."""
    codebook_decay: float = Field(0.99, ge=0, lt=1)
    """Decay of the codebook's moving average per step."""
    commitment_weight: float = Field(0.25, ge=0)
    """Weight of the commitment loss."""
    dead_code_threshold: float = Field(0.1, ge=0)
    """Uses per step (moving average) below which a code is replaced; ours, the release's way lets codes explode."""
    rotation_trick: bool = False
    """Gradient through the codes by rotation instead of straight through."""
    quantise: bool = True
    """False: continuous anatomy, the ceiling."""
    window: tuple[int, int, int] | None = None
    """Size (x, y, z) of the windows in which larger volumes are processed; ``None``: always in one pass. Best the size
    trained on: attention and normalisation look at all that they are given, and a style is a mean over it."""
    overlap: float = Field(0.5, ge=0, lt=1)
    """Share of a window that it has in common with its neighbour."""
    gradient_checkpointing: bool = True
    """Keep only the inputs of blocks for the backward pass: a third more time for a fraction of the memory."""

    @property
    def reduction(self) -> int:
        """Voxels between two codes, per axis."""
        return 2 ** len(self.widths)

    @model_validator(mode="after")
    def _parts_fit(self) -> "NeuroQuantArchitecture":
        stages = range(1, len(self.widths) + 1)
        for name, places in (("encoder", self.encoder_attention), ("decoder", self.decoder_attention)):
            if unknown := sorted(set(places) - set(stages)):
                raise ValueError(f"{name}_attention names stages {unknown}, but widths make {len(self.widths)}")
        attended = {self.widths[stage - 1] for stage in self.encoder_attention}
        attended |= {self.widths[-stage] for stage in self.decoder_attention}
        attended |= {self.widths[-1]} if self.middle_attention else set()
        if odd := sorted(width for width in attended if width % self.heads):
            raise ValueError(f"heads={self.heads} does not divide the widths {odd}, which have attention")
        if self.window and any(size % self.reduction for size in self.window):
            raise ValueError(f"window={self.window} must be divisible by {self.reduction} with {len(stages)} widths")
        return self

    def trunk(self, part: Literal["encoder", "decoder"]) -> dict[str, Any]:
        """What encoder and decoder trunks are told alike."""
        return {
            "heads": self.heads,
            "attention": self.encoder_attention if part == "encoder" else self.decoder_attention,
            "middle_attention": part in self.middle_attention,
            "norm_groups": self.norm_groups,
            "checkpointing": self.gradient_checkpointing,
        }
