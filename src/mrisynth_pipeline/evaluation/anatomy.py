"""Evidence on whether NeuroQuant's codes are anatomical: codes of the brain, and anatomies in exchanged styles."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.reconstruction import (
    loaded,
    regions_of,
    rows_of_subjects,
)
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.image import volume_psnr
from mrisynth_pipeline.metrics.reconstruction import COPY, OTHER, OWN
from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder
from mrisynth_pipeline.models.windows import in_windows
from mrisynth_pipeline.sampling.slices import telling_slice


def collect_codes(autoencoder: NeuroQuantAutoencoder, store: SubjectStore, subjects: Sequence[str]) -> pd.DataFrame:
    """The codes of every scan at the positions that lie in the brain.

    Positions outside look the same in all images and would only dilute what the codes tell.

    Args:
        autoencoder: In evaluation mode.
        store: The subject files.
        subjects: Whose scans; a subject on which it fails is reported and left out.

    Returns:
        One row per subject, modality and position: ``subject``, ``modality``, ``position`` (in the flattened grid of
        codes, the same place in all subjects) and ``code``.

    Raises:
        RuntimeError: If it fails on every subject, or there is none.
    """

    def codes_of(subject: str) -> list[pd.DataFrame]:
        volumes, present, mask = loaded(store.open(subject), autoencoder)
        grids = autoencoder.indices(volumes, present)[0].cpu()
        inside = brain_positions(mask, autoencoder.architecture.reduction).flatten()
        positions = inside.nonzero()[:, 0].numpy()
        return [
            pd.DataFrame(
                {"subject": subject, "modality": autoencoder.modalities[channel]}
                | {"position": positions, "code": grids[channel].flatten()[inside].numpy()}
            )
            for channel in present[0].nonzero()[:, 0].tolist()
        ]

    return pd.concat(rows_of_subjects("Collecting codes", subjects, codes_of), ignore_index=True)


def brain_positions(mask: Bool[Tensor, "z y x"], reduction: int) -> Bool[Tensor, "d h w"]:
    """Which codes stand for the brain: at least half of a code's voxels lie in it.

    Args:
        mask: Brain mask.
        reduction: Voxels that a code stands for, per axis; the last code of an axis may reach beyond the image.
    """
    return F.avg_pool3d(padded(mask[None, None].float(), reduction), reduction)[0, 0] >= 0.5


def score_swaps(
    autoencoder: NeuroQuantAutoencoder,
    store: SubjectStore,
    subjects: Sequence[str],
    evaluation: EvaluationParameters,
) -> pd.DataFrame:
    """PSNR of every anatomy in every contrast, against the image of that contrast.

    Beside it what two extremes give: the image through its own codes (anatomy and contrast the same), and the image
    that gave the anatomy taken as it is (style ``copy``), which is what no network at all can do.

    Args:
        autoencoder: In evaluation mode.
        store: The subject files.
        subjects: Whom; at most ``evaluation.ceiling_subjects``. Styles of another subject come from the next in the
            list (the first follows the last). A subject on which it fails is reported and left out.
        evaluation: How.

    Returns:
        One row per subject, anatomy, contrast, style and region: ``subject``, ``anatomy`` and ``contrast``
        (modalities), ``style`` (``own``, ``other`` subject's, ``copy``), ``region`` and ``psnr`` (dB).

    Raises:
        RuntimeError: If it fails on every subject, or there is none.
    """
    chosen = list(subjects)[: evaluation.ceiling_subjects]
    following = dict(zip(subjects, [*subjects[1:], subjects[0]], strict=True)) if len(subjects) > 1 else {}

    def score(subject: str) -> list[dict]:
        volumes, present, mask = loaded(store.open(subject), autoencoder)
        styles = {OWN: (volumes, present)}
        if subject in following:
            styles[OTHER] = loaded(store.open(following[subject]), autoencoder)[:2]
        rows, regions = [], regions_of(mask)
        truth, names = volumes[0].cpu(), autoencoder.modalities

        def add(anatomy: int, contrast: int, style: str, image: Tensor) -> None:
            identity = {"subject": subject, "anatomy": names[anatomy], "contrast": names[contrast], "style": style}
            for region, where in regions.items():
                rows.append(identity | {"region": region, "psnr": volume_psnr(image, truth[contrast], where)})

        own = present[0].nonzero()[:, 0].tolist()
        for style, (images, there) in styles.items():
            contrasts = (present & there)[0].nonzero()[:, 0].tolist()
            if not contrasts:
                continue
            made = swapped(autoencoder, volumes, images, own, contrasts).cpu()
            for row, anatomy in enumerate(own):
                for column, contrast in enumerate(contrasts):
                    add(anatomy, contrast, style, made[row, column])
        for anatomy in own:
            for contrast in own:
                if anatomy != contrast:
                    add(anatomy, contrast, COPY, truth[anatomy])
        return rows

    return pd.DataFrame(rows_of_subjects("Exchanging styles", chosen, score))


@torch.inference_mode()
def swapped(
    autoencoder: NeuroQuantAutoencoder,
    volumes: Float[Tensor, "1 modality z y x"],
    style_of: Float[Tensor, "1 modality z y x"],
    anatomies: Sequence[int],
    contrasts: Sequence[int],
) -> Float[Tensor, "anatomy contrast z y x"]:
    """Every anatomy in every style: :meth:`.NeuroQuantAutoencoder.transfer` of all pairs at once.

    Args:
        autoencoder: In evaluation mode.
        volumes: Whose anatomy.
        style_of: Whose style; these, or those of another subject.
        anatomies: Channels of the anatomies; they must be present in ``volumes``.
        contrasts: Channels of the styles; they must be present in ``style_of``.
    """
    network, n = autoencoder, len(anatomies)

    def exchange(part: Tensor, which: Tensor) -> Tensor:
        codes = [network.quantise(network.encode(part[:, c : c + 1])[0], learn=False).values for c in range(n)]
        styles = [network.encode(part[:, c : c + 1])[1] for c in range(n, part.shape[1])]
        pairs = [network.decode(code, style, which[:, k]) for code in codes for k, style in enumerate(styles)]
        return torch.cat(pairs, dim=1)

    images = torch.cat([volumes[:, list(anatomies)], style_of[:, list(contrasts)]], dim=1)
    made = in_windows(exchange, images, torch.tensor([list(contrasts)], device=images.device), network.architecture)
    return made[0].unflatten(0, (n, len(contrasts)))


class Exchange(NamedTuple):
    """One axial slice of a subject, as it is and with exchanged styles."""

    modalities: tuple[str, ...]
    """Those that the subject has."""
    originals: Float[np.ndarray, "modality y x"]
    swapped: Float[np.ndarray, "anatomy contrast y x"]
    """The diagonal is the reconstruction."""


def swap_example(autoencoder: NeuroQuantAutoencoder, store: SubjectStore, subject: str) -> Exchange:
    """Every anatomy of a subject in each of its contrasts, on the slice that tells most.

    Args:
        autoencoder: In evaluation mode.
        store: The subject files.
        subject: Whom.
    """
    file = store.open(subject)
    volumes, present, mask = loaded(file, autoencoder)
    own = present[0].nonzero()[:, 0].tolist()
    z = telling_slice(mask.numpy(), file.segmentation())
    made = swapped(autoencoder, volumes, volumes, own, own)[:, :, z].cpu().numpy()
    names = tuple(autoencoder.modalities[channel] for channel in own)
    return Exchange(names, volumes[0, own, z].cpu().numpy(), made)
