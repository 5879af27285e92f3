"""How well an autoencoder gives back what it was given, and which codes it spends on that."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.image import volume_scores
from mrisynth_pipeline.metrics.reconstruction import BRAIN, VOLUME

logger = logging.getLogger(__name__)


class Autoencoder(Protocol):
    """What gives back whole volumes: NeuroQuant's autoencoder, or another one in the same clothes."""

    modalities: tuple[str, ...]
    """Contrasts in channel order."""

    def reconstruct(
        self, images: Float[Tensor, "batch modality z y x"], present: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality z y x"]:
        """Every present modality through its own codes; what is absent is never looked at."""

    def parameters(self) -> Iterator[Tensor]:
        """Weights; images are brought to where they lie."""


class CodedAutoencoder(Autoencoder, Protocol):
    """An autoencoder whose codes can be counted."""

    codebook_size: int
    """Number of codes."""

    def indices(
        self, images: Float[Tensor, "batch modality z y x"], present: Bool[Tensor, "batch modality"]
    ) -> Int[Tensor, "batch modality d h w"]:
        """Index of the code at every position, each position of a volume once; −1 for modalities that are absent."""


def score_reconstructions(
    method: str,
    autoencoder: Autoencoder,
    store: SubjectStore,
    subjects: Sequence[str],
    evaluation: EvaluationParameters,
) -> pd.DataFrame:
    """Score what an autoencoder makes of real scans, volume by volume.

    A subject on which it fails is reported and left out; contrasts that a subject lacks have no row.

    Args:
        method: Name of the autoencoder in the table.
        autoencoder: In evaluation mode.
        store: The subject files.
        subjects: Whom to score; at most ``evaluation.ceiling_subjects`` of them, as what an autoencoder makes of the
            true image is the ceiling of all that build on it.
        evaluation: How.

    Returns:
        One row per subject, modality and region: ``method``, ``subject``, ``modality``, ``region`` (``volume``, all
        voxels, or ``brain``), ``psnr`` (dB) and ``ssim`` (3D, ×100).

    Raises:
        RuntimeError: If it fails on every subject, or there is none.
    """

    def score(subject: str) -> list[dict]:
        file = store.open(subject)
        volumes, present, mask = loaded(file, autoencoder)
        made = autoencoder.reconstruct(volumes, present)[0].cpu()
        rows = []
        for channel in present[0].nonzero()[:, 0].tolist():
            identity = {"method": method, "subject": subject, "modality": autoencoder.modalities[channel]}
            truth = volumes[0, channel].cpu()
            for region, where in regions_of(mask).items():
                scores = volume_scores(made[channel], truth, where)
                rows.append(identity | {"region": region, "psnr": scores["psnr"], "ssim": scores["ssim"]})
        return rows

    return pd.DataFrame(
        rows_of_subjects(f"Reconstructing by {method}", list(subjects)[: evaluation.ceiling_subjects], score)
    )


def regions_of(mask: Bool[Tensor, "z y x"]) -> dict[str, Bool[Tensor, "z y x"]]:
    """The voxels of every region of a score."""
    return {VOLUME: torch.ones_like(mask), BRAIN: mask}


def count_codes(
    method: str, autoencoder: CodedAutoencoder, store: SubjectStore, subjects: Sequence[str]
) -> pd.DataFrame:
    """How often each code stands for a piece of real scans.

    Args:
        method: Name of the autoencoder in the table.
        autoencoder: In evaluation mode.
        store: The subject files.
        subjects: Whose scans.

    Returns:
        One row per modality and code, unused ones included: ``method``, ``modality``, ``code``, ``count``, and
        ``n_voxels``, of the volumes of that modality together.

    Raises:
        RuntimeError: If it fails on every subject, or there is none.
    """
    n_codes = autoencoder.codebook_size

    def count(subject: str) -> list[dict]:
        volumes, present, _ = loaded(store.open(subject), autoencoder)
        tokens = autoencoder.indices(volumes, present)[0].cpu()
        voxels = volumes[0, 0].numel()
        return [
            {"modality": channel, "counts": torch.bincount(tokens[channel].flatten(), minlength=n_codes).numpy()}
            | {"n_voxels": voxels}
            for channel in present[0].nonzero()[:, 0].tolist()
        ]

    found = rows_of_subjects(f"Counting codes of {method}", subjects, count)
    tables = []
    for channel in sorted({row["modality"] for row in found}):
        rows = [row for row in found if row["modality"] == channel]
        about = {"method": method, "modality": autoencoder.modalities[channel]}
        counts = np.sum([row["counts"] for row in rows], axis=0)
        n_voxels = sum(row["n_voxels"] for row in rows)
        tables.append(pd.DataFrame(about | {"code": np.arange(n_codes), "count": counts, "n_voxels": n_voxels}))
    return pd.concat(tables, ignore_index=True)


def loaded(
    file: SubjectFile, autoencoder: Autoencoder
) -> tuple[Float[Tensor, "1 modality z y x"], Bool[Tensor, "1 modality"], Bool[Tensor, "z y x"]]:
    """Volumes and what is present, where the autoencoder lies, and the brain mask, on the CPU."""
    device = next(autoencoder.parameters()).device
    volumes, present = torch.from_numpy(file.volumes()), torch.from_numpy(file.present)
    return volumes[None].to(device), present[None].to(device), torch.from_numpy(file.mask())


def rows_of_subjects(what: str, subjects: Sequence[str], function: Callable[[str], list[dict]]) -> list[dict]:
    """The rows of every subject; one on which the function fails is reported and left out.

    Args:
        what: What is being done, for the progress bar and messages.
        subjects: Whom.
        function: Rows of one subject.

    Raises:
        RuntimeError: If it fails on every subject, or there is none.
    """
    rows, failures = [], []
    for subject in tqdm(subjects, desc=what, unit="subject"):
        try:
            rows += function(subject)
        except Exception as error:
            logger.exception("%s failed on subject %s: it is left out", what, subject)
            failures.append(f"{subject}: {error}")
    if not subjects:
        raise RuntimeError(f"{what} is not possible: there is no subject to do it on")
    if not rows:
        raise RuntimeError(f"{what} failed on every subject: " + "; ".join(failures[:3]))
    return rows
