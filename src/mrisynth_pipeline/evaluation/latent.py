"""What the finest latent of a generative method keeps of a subject, inferred from different contrasts."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.evaluation.parameters import UncertaintyParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.latent import PLACED, POOLED, distances_of, principal_components
from mrisynth_pipeline.sampling.availability import all_subsets, subset_name
from mrisynth_pipeline.sampling.slices import telling_slice


@runtime_checkable
class LatentImputer(Protocol):
    """A method on axial slices whose finest latent can be looked at, such as MMHVAE."""

    name: str
    """Under which the tables list it."""
    modalities: tuple[str, ...]
    """Contrasts in channel order."""

    def latent(
        self, images: Float[Tensor, "batch modality y x"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch channel y x"]:
        """Mean of the finest latent, one code per pixel."""

    def parameters(self) -> Iterator[Tensor]:
        """Weights; images are brought to where they lie."""


def with_everything(modalities: tuple[str, ...]) -> Bool[Tensor, "subset modality"]:
    """All availability subsets, fewest inputs first, and at last that of all contrasts."""
    return torch.cat([all_subsets(len(modalities)), torch.ones(1, len(modalities), dtype=torch.bool)])


def compare_latents(
    method: LatentImputer, store: SubjectStore, subjects: Sequence[str], parameters: UncertaintyParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Components of the latents of every subset, and their distances within and between subjects.

    A subject's codes are those of its slice with the most brain (not with the most tumour, which lies at another height
    in every subject, so that height alone would tell subjects apart), at the pixels that lie in the brain of every
    subject (or the outlines would). They are compared in two ways: place by place, which is the distance between the
    two posteriors' means, but sees also that every head lies a little differently; and pooled, the mean of every
    channel over these pixels, which knows of no place and is the harder test.

    Args:
        method: In evaluation mode.
        store: The subject files.
        subjects: Complete ones; at most ``parameters.latent_subjects``.
        parameters: How many subjects and components.

    Returns:
        - One row per subject, subset and component (from 1): ``method``, ``subject``, ``inputs``, ``n_inputs``,
          ``component``, ``score``, and ``explained``, the component's share of the variance. Of the codes place by
          place.
        - One row per pair of codes: ``method``, ``code`` (``placed``, ``pooled``), ``subject``, ``inputs``, ``other``,
          ``other_inputs``, ``distance``; see :func:`~mrisynth_pipeline.metrics.latent.distances_of`.

    Raises:
        ValueError: There is no subject, or no pixel lies in the brain of all.
    """
    chosen = list(subjects)[: parameters.latent_subjects]
    subsets = with_everything(method.modalities)
    names = [subset_name(subset.tolist(), method.modalities) for subset in subsets]
    codes = brain_latents(method, store, chosen, subsets)
    flat = codes.reshape(*codes.shape[:2], -1)
    scores, explained = principal_components(flat.reshape(-1, flat.shape[-1]), parameters.components)
    rows = [
        {"method": method.name, "subject": subject, "inputs": name, "n_inputs": int(subsets[number].sum())}
        | {"component": component + 1, "score": float(score), "explained": float(explained[component])}
        for position, subject in enumerate(chosen)
        for number, name in enumerate(names)
        for component, score in enumerate(scores[position * len(names) + number])
    ]
    distances = [
        {"method": method.name, "code": code} | row | {"subject": chosen[row["subject"]], "other": chosen[row["other"]]}
        for code, values in ((PLACED, flat), (POOLED, codes.mean(-1)))
        for row in distances_of(values, names)
    ]
    return pd.DataFrame(rows), pd.DataFrame(distances)


def brain_latents(
    method: LatentImputer, store: SubjectStore, subjects: Sequence[str], subsets: Bool[Tensor, "subset modality"]
) -> Float[np.ndarray, "subject subset channel pixel"]:
    """Latents of every subject's slice with the most brain, at the pixels that all their brains share.

    Raises:
        ValueError: There is no subject, or no such pixel.
    """
    slices, masks = [], []
    for subject in subjects:
        file = store.open(subject)
        mask = file.mask()
        z = telling_slice(mask)
        slices.append(file.slice(z))
        masks.append(mask[z])
    if not slices or not (shared := np.all(masks, axis=0)).any():
        raise ValueError(f"the brains of {len(slices)} subjects share no pixel: there are no latents to compare")
    return np.stack([latents_of(method, images, subsets)[:, :, shared] for images in slices])


@torch.inference_mode()
def latents_of(
    method: LatentImputer, images: Float[np.ndarray, "modality y x"], subsets: Bool[Tensor, "subset modality"]
) -> Float[np.ndarray, "subset channel y x"]:
    """Latents of one slice, of every subset; one at a time, as the finest latent is as large as the image."""
    device = next(method.parameters()).device
    slice_ = torch.from_numpy(images)[None]
    codes = []
    for subset in subsets:
        shown = torch.where(subset[:, None, None], slice_, torch.zeros_like(slice_))
        codes.append(method.latent(shown.to(device), subset[None].to(device))[0].float().cpu().numpy())
    return np.stack(codes)


def latent_pictures(method: LatentImputer, store: SubjectStore, subject: str) -> dict[str, Float[np.ndarray, "..."]]:
    """The latents of a subject as colours: their first three components over pixels, from different contrasts.

    One basis for all: the same colour is the same code. Shown are every contrast alone, all but one, and all.

    Args:
        method: In evaluation mode.
        store: The subject files.
        subject: Whom; one with every contrast.

    Returns:
        ``{inputs}`` → red, green and blue [3, y, x] in [0, 1] of the telling slice, 0 outside the brain; and
        ``explained``, the share of the variance of each of the three.
    """
    file = store.open(subject)
    mask = file.mask()
    z = telling_slice(mask, file.segmentation())
    sizes = with_everything(method.modalities).sum(1)
    n = len(method.modalities)
    subsets = with_everything(method.modalities)[(sizes == 1) | (sizes >= n - 1)]
    codes = latents_of(method, file.slice(z), subsets)[:, :, mask[z]]  # subset channel pixel
    pixels = codes.transpose(0, 2, 1)
    scores, explained = principal_components(pixels.reshape(-1, pixels.shape[-1]), 3)
    low, high = np.percentile(scores, [2, 98], axis=0)
    colours = np.clip((scores - low) / np.maximum(high - low, 1e-12), 0, 1)
    missing = 3 - colours.shape[1]  # a latent of one or two channels has no more components
    colours = np.pad(colours, ((0, 0), (0, missing))).reshape(*pixels.shape[:2], 3)
    pictures = {"explained": np.pad(explained, (0, missing)).astype(np.float32)}
    for subset, values in zip(subsets, colours, strict=True):
        picture = np.zeros((3, *mask[z].shape), np.float32)
        picture[:, mask[z]] = values.T
        pictures[subset_name(subset.tolist(), method.modalities)] = picture
    return pictures
