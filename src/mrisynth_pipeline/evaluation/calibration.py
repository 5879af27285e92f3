"""The expected error of a method: fitted on validation subjects, measured on test subjects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold
from torch import Tensor

from mrisynth_pipeline.evaluation.harness import hidden
from mrisynth_pipeline.evaluation.parameters import PackagingParameters
from mrisynth_pipeline.evaluation.reconstruction import rows_of_subjects
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.boosted_trees import BoostedTrees
from mrisynth_pipeline.metrics.error_features import depth_mm, feature_names, voxel_features
from mrisynth_pipeline.metrics.expected_error import ExpectedError, TargetError
from mrisynth_pipeline.metrics.reliability import reliability_columns
from mrisynth_pipeline.metrics.uncertainty import uncertainty_scores
from mrisynth_pipeline.models.door import Imputer, impute_volume
from mrisynth_pipeline.models.doubt import spread_volume
from mrisynth_pipeline.models.planes import impute_in_planes, uses_three_planes
from mrisynth_pipeline.sampling.availability import all_subsets, parse_subset, subset_name
from mrisynth_pipeline.sampling.slices import spread_slices

SPREAD, EXPECTED = "spread", "expected_error"
"""What the errors are ordered by, in the table of scores."""

_FOLDS = 3  # of subjects, whose trees are fitted for the calibration alone
_BINS = 64  # of equally many voxels each, between which the calibration is interpolated


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


def calibration_subsets(names: Sequence[str], modalities: tuple[str, ...]) -> list[Bool[Tensor, " modality"]]:
    """The subsets that are named; or every contrast alone, and all but one.

    Raises:
        ValueError: One names an unknown contrast, none, or all of them.
    """
    if names:
        return [parse_subset(name, modalities) for name in names]
    subsets, n = list(all_subsets(len(modalities))), len(modalities)
    return [subset for subset in subsets if int(subset.sum()) in (1, n - 1)]


def imputed_scans(
    method: Imputer, file: SubjectFile, parameters: PackagingParameters, batch_size: int
) -> Iterator[ImputedScan]:
    """Every subset → missing contrast of a subject that the method covers, at some voxels of some slices.

    Raises:
        ValueError: ``parameters.inputs`` does not fit the method.
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
    for subset in calibration_subsets(parameters.inputs, method.modalities):
        targets = [c for c in (present & ~subset).nonzero()[:, 0].tolist() if method.covers(subset, c)]
        if not targets or (subset & ~present).any():
            continue
        shown = hidden(volumes[:, seen], subset)
        if through:
            whole = impute_in_planes(method, hidden(volumes, subset), subset, "three", spacing, batch_size)
            imputed = whole[:, chosen].numpy()
        else:
            imputed = impute_volume(method, shown, subset, batch_size)[:, kept].numpy()
        spread = spread_volume(method, shown, subset, parameters.n_samples, batch_size, parameters.seed)[
            :, kept
        ].numpy()
        for c in targets:
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


def fit_expected_error(
    method: Imputer,
    store: SubjectStore,
    subjects: Sequence[str],
    parameters: PackagingParameters,
    batch_size: int = 16,
) -> ExpectedError:
    """Calibrate a method on subjects that it was not trained on.

    Args:
        method: In evaluation mode.
        store: The subject files.
        subjects: Validation subjects, of whom at most ``parameters.subjects`` are taken; with none no contrast is
            calibrated. One on whom it fails is reported and left out.
        parameters: Which subsets, slices and voxels.
        batch_size: Slices per forward pass of a 2D method.

    Raises:
        ValueError: ``parameters.inputs`` does not fit the method.
        RuntimeError: It fails on every subject.
    """
    calibration_subsets(parameters.inputs, method.modalities)
    subjects = _askable(method, store, subjects, parameters)[: parameters.subjects]
    if not subjects:
        return ExpectedError(method.modalities, {}, 0)

    def scans_of(subject: str) -> list[ImputedScan]:
        return list(imputed_scans(method, store.open(subject), parameters, batch_size))

    scans = rows_of_subjects(f"Calibrating the doubt of {method.name}", subjects, scans_of)
    of_target = {name: [scan for scan in scans if scan.target == name] for name in method.modalities}
    fitted = {
        target: fit_target(target, method.modalities, some, parameters.seed)
        for target, some in of_target.items()
        if some
    }
    return ExpectedError(method.modalities, fitted, len({scan.subject for scan in scans}))


def fit_target(target: str, modalities: tuple[str, ...], scans: Sequence[ImputedScan], seed: int = 0) -> TargetError:
    """The model of one contrast: boosted trees of the absolute error, then isotonic regression.

    The isotonic regression sees what trees say of subjects that they were not fitted on, where there are two or more:
    on their own subjects trees tell good voxels from bad ones better than they ever will again.
    """
    features = np.concatenate([scan.features for scan in scans], axis=1).T
    error = np.concatenate([scan.error for scan in scans]).astype(np.float64)
    trees = BoostedTrees.fitted(features, error, seed)
    subject = np.concatenate([np.full(len(scan.error), scan.subject) for scan in scans])
    uniform = float(np.mean([np.abs(scan.truth - np.median(scan.truth)).mean() for scan in scans]))
    score, knots = _isotonic(_held_out(trees, features, error, subject, seed), error)
    model = TargetError(feature_names(target, modalities), trees, score, knots, (0.0, 0.0), uniform)
    means = [float(model.of_features(scan.features).mean()) for scan in scans]
    return replace(model, typical=(float(np.median(means)), float(np.quantile(means, 0.9))))


def score_expected_error(
    method: Imputer,
    expected: ExpectedError,
    store: SubjectStore,
    subjects: Sequence[str],
    parameters: PackagingParameters,
    batch_size: int = 16,
) -> pd.DataFrame:
    """How well the expected error orders and predicts the errors on subjects it was not fitted on, beside the spread.

    Args:
        method: In evaluation mode.
        expected: From :func:`fit_expected_error`.
        store: The subject files.
        subjects: Test subjects, of whom at most ``parameters.test_subjects`` are taken.
        parameters: Which subsets and slices.
        batch_size: Slices per forward pass of a 2D method.

    Returns:
        Two rows per imputed scan, ``ordered_by`` the spread and the expected error: ``method``, ``subject``,
        ``inputs``, ``n_inputs``, ``target``, and what :func:`.uncertainty_scores` and :func:`.reliability_columns` say.
        Empty without a calibration or
        test subjects.

    Raises:
        RuntimeError: It fails on every subject.
    """
    subjects = _askable(method, store, subjects, parameters)[: parameters.test_subjects]
    if not subjects or not expected.targets:
        return pd.DataFrame({"method": []})

    def score(subject: str) -> list[dict]:
        rows = []
        for scan in imputed_scans(method, store.open(subject), parameters, batch_size):
            if not expected.covers(scan.target):
                continue
            identity = {
                "method": method.name,
                "subject": scan.subject,
                "inputs": scan.inputs,
                "n_inputs": scan.inputs.count("+") + 1,
                "target": scan.target,
            }
            model = expected.targets[scan.target]
            for name, values in ((SPREAD, scan.spread), (EXPECTED, model.of_features(scan.features))):
                found = uncertainty_scores(scan.error, values) | reliability_columns(scan.error, values, model.error)
                rows.append(identity | {"ordered_by": name} | found)
        return rows

    return pd.DataFrame(rows_of_subjects(f"Measuring the expected error of {method.name}", subjects, score))


def _askable(
    method: Imputer, store: SubjectStore, subjects: Sequence[str], parameters: PackagingParameters
) -> list[str]:
    """Those who have all of some set of inputs and a contrast besides; in incomplete cohorts not everyone does."""
    subsets = calibration_subsets(parameters.inputs, method.modalities)

    def askable(subject: str) -> bool:
        present = torch.from_numpy(np.asarray(store.open(subject).present))
        return any(bool((subset <= present).all() and (present & ~subset).any()) for subset in subsets)

    return [subject for subject in subjects if askable(subject)]


def _held_out(
    trees: BoostedTrees,
    features: Float[np.ndarray, "voxel feature"],
    error: Float[np.ndarray, " voxel"],
    subject: np.ndarray,
    seed: int,
) -> Float[np.ndarray, " voxel"]:
    """What trees of the other subjects say of every voxel; of a single subject, what its own say."""
    folds = min(_FOLDS, len(np.unique(subject)))
    if folds < 2:
        return trees.predict(features)
    said = np.empty(len(error), dtype=np.float32)
    for rest, held_out in GroupKFold(folds).split(features, error, subject):
        said[held_out] = BoostedTrees.fitted(features[rest], error[rest], seed).predict(features[held_out])
    return said


def _isotonic(
    score: Float[np.ndarray, " voxel"], error: Float[np.ndarray, " voxel"]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of the calibration: mean scores of bins of equally many voxels, and their mean errors made to rise."""
    bins = np.array_split(np.argsort(score, kind="stable"), min(_BINS, len(score)))
    middle = np.array([score[part].mean() for part in bins])
    rising = IsotonicRegression(y_min=0.0).fit_transform(
        middle, [error[part].mean() for part in bins], sample_weight=[len(part) for part in bins]
    )
    ends = np.diff(rising, prepend=np.nan) != 0
    kept = ends | np.append(ends[1:], True)  # of a flat stretch only its two ends
    kept &= np.diff(middle, prepend=-np.inf) > 0
    return tuple(middle[kept].tolist()), tuple(rising[kept].tolist())
