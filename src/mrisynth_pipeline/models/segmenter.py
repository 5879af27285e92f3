"""The downstream segmenter of tumours or tissues: MONAI's SegResNet on the complete stack of contrasts."""

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, UInt8
from monai.networks.nets import SegResNet
from torch import Tensor, nn

from mrisynth_pipeline.cohorts.modalities import TISSUES, TUMOUR_REGIONS

Targets = Literal["tumour", "tissue"]
"""What a segmenter looks for."""


class Segmenter(nn.Module):
    """From all contrasts of a volume to the BraTS regions (WT, TC, ET), which overlap, or to tissues, which do not.

    SegResNet (Myronenko, BrainLes 2018) without its autoencoder branch: the winner of BraTS 2018 and MONAI's usual
    baseline on this task.

    Args:
        modalities: Contrasts in channel order.
        width: Channels at full resolution.
        blocks_down: Residual blocks per encoder level; each level halves the resolution.
        targets: ``tumour``: one sigmoid per region. ``tissue``: one softmax over background, grey matter, white matter
            and CSF.
    """

    name = "segmenter"

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int = 8,
        blocks_down: tuple[int, ...] = (1, 2, 2, 4),
        targets: Targets = "tumour",
    ) -> None:
        super().__init__()
        if targets not in ("tumour", "tissue"):
            raise ValueError(f"targets must be tumour or tissue, not {targets!r}")
        self.modalities, self.width, self.blocks_down = tuple(modalities), width, tuple(blocks_down)
        self.targets = targets
        self.divisor = 2 ** (len(blocks_down) - 1)
        self.network = SegResNet(
            spatial_dims=3,
            init_filters=width,
            in_channels=len(modalities),
            out_channels=len(TUMOUR_REGIONS) if targets == "tumour" else 1 + len(TISSUES),
            blocks_down=self.blocks_down,
            blocks_up=(1,) * (len(blocks_down) - 1),
        ).to(memory_format=torch.channels_last_3d)  # on a CPU a step takes two thirds of the time

    def construction(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return {
            "modalities": list(self.modalities),
            "width": self.width,
            "blocks_down": list(self.blocks_down),
            "targets": self.targets,
        }

    def forward(self, images: Float[Tensor, "batch modality z y x"]) -> Float[Tensor, "batch region z y x"]:
        """Logits of the regions, in the order of ``TUMOUR_REGIONS``, or of the labels 0 to 3 of a tissue map.

        Sizes must be divisible by ``divisor``.
        """
        return self.network(images)

    @torch.inference_mode()
    def segment(self, volumes: Float[Tensor, "modality z y x"]) -> UInt8[Tensor, "z y x"]:
        """Label map of one subject in the internal convention; any grid size (padded and cropped back).

        Tumour regions are nested by definition, so the smallest one found at a voxel decides: enhancing tumour, else
        the rest of the core (necrotic), else the rest of the whole tumour (oedema). Of tissues the likeliest.
        """
        device = next(self.parameters()).device
        padding = [p for size in reversed(volumes.shape[1:]) for p in (0, -size % self.divisor)]
        logits = self(nn.functional.pad(volumes, padding)[None].to(device))[0].cpu()
        logits = logits[(slice(None), *(slice(n) for n in volumes.shape[1:]))]
        if self.targets == "tissue":
            return logits.argmax(dim=0).to(torch.uint8)
        whole, core, enhancing = (logits > 0).unbind()
        labels = torch.zeros(volumes.shape[1:], dtype=torch.uint8)
        for region, label in ((whole, 2), (core, 1), (enhancing, 3)):
            labels[region] = label
        return labels


def label_regions(labels: Tensor) -> Bool[Tensor, "region *spatial"]:
    """Label map (internal convention) → one mask per BraTS region, in the order of ``TUMOUR_REGIONS``."""
    return torch.stack([torch.isin(labels, torch.tensor(region)) for region in TUMOUR_REGIONS.values()])
