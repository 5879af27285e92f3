"""What a method imputes of a subject, beside the truth: what its expected error is fitted and measured on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.evaluation.harness import hidden
from mrisynth_pipeline.evaluation.parameters import PackagingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectFile
from mrisynth_pipeline.metrics.error_features import depth_mm, voxel_features
from mrisynth_pipeline.models.door import Imputer, impute_volume
from mrisynth_pipeline.models.doubt import spread_volume
from mrisynth_pipeline.models.planes import impute_in_planes, uses_three_planes
from mrisynth_pipeline.sampling.availability import all_subsets, parse_subset, subset_name
from mrisynth_pipeline.sampling.slices import spread_slices

Subset = Bool[Tensor, " modality"]
"""Which contrasts are given."""


@dataclass(frozen=True)
class ImputedScan:
    """One imputed contrast of one subject beside the truth, voxels of the brain in a row.

    Args:
        subject: Whose.
        inputs: From what, as ``t1+t2``.
        target: What.
        features: ``[feature, voxel]``, see :mod:`mrisynth_pipeline.metrics.error_features`.
        error: Absolute error in [0, 1].
        truth: The real contrast.
        spread: Standard deviation of the method's answers.
    """

    subject: str
    inputs: str
    target: str
    features: Float[np.ndarray, "feature voxel"]
    error: Float[np.ndarray, " voxel"]
    truth: Float[np.ndarray, " voxel"]
    spread: Float[np.ndarray, " voxel"]


def calibration_subsets(names: Sequence[str], modalities: tuple[str, ...]) -> list[Subset]:
    """The subsets that are named; or every contrast alone, and all but one.

    Raises:
        ValueError: One names an unknown contrast, none, or all of them.
    """
    if names:
        return [parse_subset(name, modalities) for name in names]
    subsets, n = list(all_subsets(len(modalities))), len(modalities)
    return [subset for subset in subsets if int(subset.sum()) in (1, n - 1)]


def subsets_to_ask(method: Imputer, file: SubjectFile, parameters: PackagingParameters) -> list[Subset]:
    """Those of the calibration's subsets that a subject has whole, and some contrast besides that can be judged.

    Raises:
        ValueError: ``parameters.inputs`` does not fit the method.
    """
    present = torch.from_numpy(np.asarray(file.present))
    subsets = calibration_subsets(parameters.inputs, method.modalities)
    return [subset for subset in subsets if (subset <= present).all() and _targets(method, present, subset)]


def imputed_scans(
    method: Imputer,
    file: SubjectFile,
    subsets: Sequence[Subset],
    parameters: PackagingParameters,
    batch_size: int,
) -> Iterator[ImputedScan]:
    """Every missing contrast that the method imputes from some subsets of a subject, at some voxels of some slices.

    Args:
        method: In evaluation mode.
        file: The subject.
        subsets: Of :func:`subsets_to_ask`.
        parameters: Which planes, slices and voxels.
        batch_size: Slices per forward pass of a 2D method.
    """
    mask, about = file.mask(), file.metadata
    spacing = np.linalg.norm(np.asarray(about["grid_affine"])[:3, :3], axis=0).tolist()
    chosen = spread_slices(mask, parameters.slices)
    depth, inside = depth_mm(mask, spacing)[chosen], mask[chosen]
    volumes = torch.from_numpy(file.volumes())
    seen = chosen if method.spatial_dims == 2 else slice(None)  # of its axial slices each is imputed on its own
    kept = slice(None) if method.spatial_dims == 2 else chosen
    through = uses_three_planes(method, parameters.planes, spacing)
    flat = np.flatnonzero(inside)
    rng = np.random.default_rng([parameters.seed, len(flat)])
    present, truth = torch.from_numpy(np.asarray(file.present)), volumes[:, chosen].numpy()
    for subset in subsets:
        shown = hidden(volumes[:, seen], subset)
        if through:
            whole = impute_in_planes(method, hidden(volumes, subset), subset, "three", spacing, batch_size)
            imputed = whole[:, chosen].numpy()
        else:
            imputed = impute_volume(method, shown, subset, batch_size)[:, kept].numpy()
        spread = spread_volume(method, shown, subset, parameters.n_samples, batch_size, parameters.seed)[
            :, kept
        ].numpy()
        for c in _targets(method, present, subset):
            target, have = method.modalities[c], subset.numpy()
            voxels = rng.permutation(flat)[: parameters.voxels]
            features = voxel_features(target, method.modalities, imputed[c], spread[c], truth, have, depth, spacing)
            yield ImputedScan(
                about["subject"],
                subset_name(subset.tolist(), method.modalities),
                target,
                features.reshape(len(features), -1)[:, voxels],
                np.abs(imputed[c] - truth[c]).ravel()[voxels],
                truth[c].ravel()[voxels],
                spread[c].ravel()[voxels],
            )


def _targets(method: Imputer, present: Bool[Tensor, " modality"], subset: Subset) -> list[int]:
    """Channels that are there, are not given, and that the method imputes."""
    return [c for c in (present & ~subset).nonzero()[:, 0].tolist() if method.covers(subset, c)]
