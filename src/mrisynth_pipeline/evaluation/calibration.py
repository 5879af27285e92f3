"""The expected error of a method: fitted on validation and training subjects, measured on test subjects.

Much of an error belongs to the subject: how bright its vessels are, what its intensities were scaled by. A few
validation subjects tell little of that. Training subjects tell more, but the weights have seen them: their errors are
too small on average, if anything. So they are asked too, and scaled up where those of validation subjects are larger.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold

from mrisynth_pipeline.evaluation.imputed_scans import (
    ImputedScan,
    Subset,
    calibration_subsets,
    imputed_scans,
    subsets_to_ask,
)
from mrisynth_pipeline.evaluation.parameters import PackagingParameters
from mrisynth_pipeline.evaluation.reconstruction import rows_of_subjects
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.boosted_trees import BoostedTrees
from mrisynth_pipeline.metrics.error_features import feature_names
from mrisynth_pipeline.metrics.expected_error import ExpectedError, TargetError
from mrisynth_pipeline.metrics.reliability import reliability_columns
from mrisynth_pipeline.metrics.uncertainty import uncertainty_scores
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.sampling.subjects import evenly_spread

SPREAD, EXPECTED = "spread", "expected_error"
"""What the errors are ordered by, in the table of scores."""

_FOLDS = 3  # of subjects, whose trees are fitted for the calibration alone
_BINS = 64  # of equally many voxels each, between which the calibration is interpolated


def fit_expected_error(
    method: Imputer,
    store: SubjectStore,
    validation: Sequence[str],
    training: Sequence[str],
    parameters: PackagingParameters,
    batch_size: int = 16,
) -> ExpectedError:
    """Calibrate a method.

    Args:
        method: In evaluation mode.
        store: The subject files.
        validation: Subjects that it was not trained on, of whom at most ``parameters.subjects`` are taken; with none no
            contrast is calibrated. One on whom it fails is reported and left out.
        training: Subjects that it was trained on, of whom at most ``parameters.training_subjects`` are taken.
        parameters: Which subsets, slices and voxels.
        batch_size: Slices per forward pass of a 2D method.

    Raises:
        ValueError: ``parameters.inputs`` does not fit the method.
        RuntimeError: It fails on every subject.
    """
    calibration_subsets(parameters.inputs, method.modalities)
    validation = _askable(method, store, validation, parameters)[: parameters.subjects]
    if not validation:
        return ExpectedError(method.modalities, {}, 0)
    training = evenly_spread(_askable(method, store, training, parameters), parameters.training_subjects)
    turns = dict.fromkeys(validation) | {subject: turn for turn, subject in enumerate(training)}

    def scans_of(subject: str) -> list[ImputedScan]:
        file, turn = store.open(subject), turns[subject]
        subsets = subsets_to_ask(method, file, parameters)
        if turn is not None:
            subsets = _in_turn(subsets, turn, parameters.training_inputs)
        return list(imputed_scans(method, file, subsets, parameters, batch_size))

    label = f"Calibrating the doubt of {method.name}"
    scans = rows_of_subjects(label, list(turns), scans_of)
    held_out, learned_from = ([scan for scan in scans if scan.subject in part] for part in (validation, training))
    fitted = {}
    for target in method.modalities:
        own, more = ([scan for scan in part if scan.target == target] for part in (held_out, learned_from))
        if own:
            fitted[target] = fit_target(target, method.modalities, own, more, parameters.seed)
    return ExpectedError(method.modalities, fitted, len({scan.subject for scan in held_out}))


def fit_target(
    target: str,
    modalities: tuple[str, ...],
    held_out: Sequence[ImputedScan],
    learned_from: Sequence[ImputedScan] = (),
    seed: int = 0,
) -> TargetError:
    """The model of one contrast: boosted trees of the absolute error, then isotonic regression.

    The isotonic regression sees what trees say of subjects that they were not fitted on, where there are two or more:
    on their own subjects trees tell good voxels from bad ones better than they ever will again.

    Args:
        target: The contrast.
        modalities: All contrasts in channel order.
        held_out: Its imputations of validation subjects, at least one.
        learned_from: Those of training subjects; their errors are scaled up to those of validation subjects with the
            same inputs, where these are larger on average.
        seed: Of the trees.
    """
    scans = [*held_out, *learned_from]
    features = np.concatenate([scan.features for scan in scans], axis=1).T
    size = np.concatenate([np.full(len(held_out), 1.0), np.full(len(learned_from), _scale(held_out, learned_from))])
    error = np.concatenate([factor * scan.error.astype(np.float64) for factor, scan in zip(size, scans, strict=True)])
    subject = np.concatenate([np.full(len(scan.error), scan.subject) for scan in scans])
    trees = BoostedTrees.fitted(features, error, seed)
    score, knots = _isotonic(_said_by_others(trees, features, error, subject, seed), error)
    uniform = float(np.mean([np.abs(scan.truth - np.median(scan.truth)).mean() for scan in held_out]))
    model = TargetError(feature_names(target, modalities), trees, score, knots, (0.0, 0.0), uniform)
    means = [float(model.of_features(scan.features).mean()) for scan in held_out]
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
        subjects: Test subjects, of whom at most ``parameters.test_subjects`` are taken, evenly spread.
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
    subjects = evenly_spread(_askable(method, store, subjects, parameters), parameters.test_subjects)
    if not subjects or not expected.targets:
        return pd.DataFrame({"method": []})
    turns = {subject: turn for turn, subject in enumerate(subjects)}

    def score(subject: str) -> list[dict]:
        rows, file = [], store.open(subject)
        subsets = _in_turn(subsets_to_ask(method, file, parameters), turns[subject], parameters.test_inputs)
        for scan in imputed_scans(method, file, subsets, parameters, batch_size):
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
    return [subject for subject in subjects if subsets_to_ask(method, store.open(subject), parameters)]


def _in_turn(subsets: Sequence[Subset], turn: int, count: int | None) -> list[Subset]:
    """So many of the subsets; the next turn gets the next ones, so that many subjects together get all."""
    if count is None or count >= len(subsets):
        return list(subsets)
    return [subsets[(turn * count + step) % len(subsets)] for step in range(count)]


def _scale(held_out: Sequence[ImputedScan], learned_from: Sequence[ImputedScan]) -> float:
    """How much larger errors of validation subjects are than those of training subjects with the same inputs.

    At least 1: only chance makes them smaller.
    """
    means: dict[str, list[float]] = defaultdict(list)
    for scan in held_out:
        means[scan.inputs].append(float(scan.error.mean()))
    both = [scan for scan in learned_from if scan.inputs in means]
    known = sum(float(scan.error.mean()) for scan in both)
    return max(1.0, sum(float(np.mean(means[scan.inputs])) for scan in both) / known) if known else 1.0


def _said_by_others(
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
    for rest, asked in GroupKFold(folds).split(features, error, subject):
        said[asked] = BoostedTrees.fitted(features[rest], error[rest], seed).predict(features[asked])
    return said


def _isotonic(
    score: Float[np.ndarray, " voxel"], error: Float[np.ndarray, " voxel"]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of the calibration: mean scores of bins of equally many voxels, and their mean errors made to rise.

    Centred isotonic regression (Oron and Flournoy, 2017): a flat stretch becomes one knot in its middle, so that the
    map rises between the first and the last of them and voxels keep the order that the trees give them.
    """
    bins = np.array_split(np.argsort(score, kind="stable"), min(_BINS, len(score)))
    middle, weight = np.array([score[part].mean() for part in bins]), np.array([len(part) for part in bins], float)
    rising = IsotonicRegression(y_min=0.0).fit_transform(
        middle, [error[part].mean() for part in bins], sample_weight=weight
    )
    stretch = np.cumsum(np.diff(rising, prepend=rising[0]) > 0)
    total = np.bincount(stretch, weights=weight)
    centre, height = (np.bincount(stretch, weights=weight * values) / total for values in (middle, rising))
    kept = np.diff(centre, prepend=-np.inf) > 0
    return tuple(centre[kept].tolist()), tuple(height[kept].tolist())
