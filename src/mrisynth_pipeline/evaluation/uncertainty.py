"""Does a generative method know when it is wrong? Its standard deviation beside its error; what temperature does."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.evaluation.harness import hidden
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, UncertaintyParameters
from mrisynth_pipeline.evaluation.reconstruction import rows_of_subjects
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.image import PSNR_CAP, volume_psnr
from mrisynth_pipeline.metrics.uncertainty import uncertainty_scores
from mrisynth_pipeline.models.door import SamplingImputer, sample_volume
from mrisynth_pipeline.sampling.availability import all_subsets, example_subsets, parse_subset, subset_name
from mrisynth_pipeline.sampling.slices import telling_slice

Subset = Bool[Tensor, " modality"]
Sample = tuple[Float[Tensor, "modality z y x"], Float[Tensor, "modality z y x"]]
"""Mean and standard deviation of several draws."""


def score_uncertainty(
    method: SamplingImputer,
    store: SubjectStore,
    subjects: Sequence[str],
    parameters: UncertaintyParameters,
    evaluation: EvaluationParameters,
) -> pd.DataFrame:
    """Error and standard deviation inside the brain, of every subset → missing contrast.

    A contrast that a subject never had is neither offered nor scored. The error is that of the mean of the draws, which
    the standard deviation is about.

    Args:
        method: In evaluation mode.
        store: The subject files.
        subjects: Whom; at most ``parameters.subjects``. One on whom it fails is reported and left out.
        parameters: Which subsets, how many draws, at which temperature.
        evaluation: Slices per forward pass.

    Returns:
        One row per subject, subset and missing contrast: ``method``, ``subject``, ``inputs``, ``n_inputs``, ``target``,
        ``temperature``, ``n_samples``, and what :func:`~mrisynth_pipeline.metrics.uncertainty.uncertainty_scores` says.

    Raises:
        ValueError: ``parameters.inputs`` names a contrast that the method does not know, or all of them.
        RuntimeError: If it fails on every subject, or there is none.
    """
    subsets = chosen_subsets(parameters.inputs, method.modalities) or list(all_subsets(len(method.modalities)))

    def score(subject: str) -> list[dict]:
        rows, file = [], store.open(subject)
        volumes, mask = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask())
        for subset, targets in asked(method, file, subsets):
            mean, deviation = _sampled(method, volumes, subset, parameters.temperature, parameters, evaluation)
            for channel in targets:
                error = (mean[channel] - volumes[channel]).abs()[mask].numpy()
                found = uncertainty_scores(error, deviation[channel][mask].numpy())
                drawn = {"temperature": parameters.temperature, "n_samples": parameters.n_samples}
                rows.append(_identity(method, subject, subset, channel) | drawn | found)
        return rows

    what = f"Measuring the doubt of {method.name}"
    return pd.DataFrame(rows_of_subjects(what, list(subjects)[: parameters.subjects], score))


def score_temperatures(
    method: SamplingImputer,
    store: SubjectStore,
    subjects: Sequence[str],
    parameters: UncertaintyParameters,
    evaluation: EvaluationParameters,
) -> pd.DataFrame:
    """PSNR inside the brain at every temperature, of the mean of the draws and of a draw alone.

    The draws are the same at all temperatures but for their spread (one seed). How far off a draw is follows from what
    the door gives, without looking at any: the mean squared error over n draws is that of their mean plus
    (n − 1)/n · variance, voxel by voxel and exactly.

    Args:
        method: In evaluation mode.
        store: The subject files.
        subjects: Whom; at most ``parameters.temperature_subjects``.
        parameters: Which temperatures, subsets and how many draws.
        evaluation: Slices per forward pass.

    Returns:
        One row per subject, subset, missing contrast and temperature: ``method``, ``subject``, ``inputs``,
        ``n_inputs``, ``target``, ``temperature``, ``n_samples``, ``mean_psnr`` and ``single_psnr`` (dB), and
        ``deviation`` (mean standard deviation inside the brain).

    Raises:
        ValueError: ``parameters.temperature_inputs`` names a contrast that the method does not know, or all of them.
        RuntimeError: If it fails on every subject, or there is none.
    """
    modalities = method.modalities
    subsets = chosen_subsets(parameters.temperature_inputs, modalities) or example_subsets(modalities)

    def score(subject: str) -> list[dict]:
        rows, file = [], store.open(subject)
        volumes, mask = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask())
        for subset, targets in asked(method, file, subsets):
            for temperature in parameters.temperatures:
                mean, deviation = _sampled(method, volumes, subset, temperature, parameters, evaluation)
                for channel in targets:
                    squared = (mean[channel] - volumes[channel]).square()[mask].double()
                    spread = deviation[channel][mask].double()
                    share = 1 - 1 / parameters.n_samples
                    single = float((squared + share * spread.square()).mean())
                    rows.append(
                        _identity(method, subject, subset, channel)
                        | {"temperature": temperature, "n_samples": parameters.n_samples}
                        | {"mean_psnr": volume_psnr(mean[channel], volumes[channel], mask)}
                        | {"single_psnr": min(-10 * np.log10(single), PSNR_CAP) if single > 0 else PSNR_CAP}
                        | {"deviation": float(spread.mean())}
                    )
        return rows

    what = f"Trying temperatures of {method.name}"
    return pd.DataFrame(rows_of_subjects(what, list(subjects)[: parameters.temperature_subjects], score))


def doubt_example(
    method: SamplingImputer,
    store: SubjectStore,
    subject: str,
    parameters: UncertaintyParameters,
    evaluation: EvaluationParameters,
) -> dict[str, Float[np.ndarray, "modality y x"]]:
    """For the figures: ``{inputs}/mean`` and ``{inputs}/deviation`` of every subset, on the subject's telling slice.

    Args:
        method: In evaluation mode; one that works on slices is given this slice alone.
        store: The subject files.
        subject: Whom; one with every contrast.
        parameters: How many draws, at which temperature.
        evaluation: Slices per forward pass.
    """
    file, slices = store.open(subject), {}
    z = telling_slice(file.mask(), file.segmentation())
    where = slice(z, z + 1) if method.spatial_dims == 2 else slice(None)
    volumes = torch.from_numpy(file.volumes()[:, where])
    for subset, _ in asked(method, file, list(all_subsets(len(method.modalities)))):
        sample = _sampled(method, volumes, subset, parameters.temperature, parameters, evaluation)
        name = subset_name(subset.tolist(), method.modalities)
        for kind, images in zip(("mean", "deviation"), sample, strict=True):
            slices[f"{name}/{kind}"] = images[:, 0 if method.spatial_dims == 2 else z].numpy()
    return slices


def chosen_subsets(names: Sequence[str], modalities: tuple[str, ...]) -> list[Subset]:
    """The subsets that ``t1+t2`` and the like name.

    Raises:
        ValueError: One names an unknown contrast, none, or all of them.
    """
    return [parse_subset(text, modalities) for text in names]


def asked(method: SamplingImputer, file: SubjectFile, subsets: Sequence[Subset]) -> Iterator[tuple[Subset, list[int]]]:
    """The subsets that a subject has, each with the channels that are missing in it, covered, and known in truth."""
    present = torch.from_numpy(np.asarray(file.present))
    for subset in subsets:
        targets = [c for c in (present & ~subset).nonzero()[:, 0].tolist() if method.covers(subset, c)]
        if targets and not (subset & ~present).any():
            yield subset, targets


def _sampled(
    method: SamplingImputer,
    volumes: Float[Tensor, "modality z y x"],
    subset: Subset,
    temperature: float,
    parameters: UncertaintyParameters,
    evaluation: EvaluationParameters,
) -> Sample:
    """Draws through the door; without temperature all are alike, and two are enough."""
    n_samples = parameters.n_samples if temperature > 0 else 2
    return sample_volume(
        method, hidden(volumes, subset), subset, temperature, n_samples, evaluation.batch_size, parameters.seed
    )


def _identity(method: SamplingImputer, subject: str, subset: Subset, channel: int) -> dict:
    return {
        "method": method.name,
        "subject": subject,
        "inputs": subset_name(subset.tolist(), method.modalities),
        "n_inputs": int(subset.sum()),
        "target": method.modalities[channel],
    }
