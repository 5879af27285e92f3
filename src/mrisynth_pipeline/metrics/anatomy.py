"""Are codes about anatomy alone? What they tell of the modality, and where images agree on them."""

from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from mrisynth_pipeline.metrics.resampling import mean_with_interval

WITHIN, SAME, DIFFERENT = "within", "between_same", "between_different"
"""Two modalities of a subject; the same modality, or different ones, of two subjects."""

NEAR = 0.1
"""Share of the way from chance to certainty up to which a probe counts as near chance."""

_FOLDS = 10
_INVERSE_REGULARISATION = 100.0
"""Root histograms have length 1: with scikit-learn's default of 1 the probe would be too weak to see differences."""

Codes = Integer[np.ndarray, "subject modality position"]


def summarise_anatomy(codes: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0) -> dict:
    """What the codes of the brain tell of the modality, and how far images agree on them.

    Codes are called anatomical only if both probes are near chance (the upper end of the confidence interval lies at
    most :data:`NEAR` of the way from chance to certainty) and the modalities of a subject agree more than different
    subjects do, be it in the same modality (the lower end of the interval of the paired difference is above 0). A
    collapsed codebook fails the second test, codes that look different in every modality the first.

    Args:
        codes: One row per subject, modality and position in the brain, as
            :func:`mrisynth_pipeline.evaluation.anatomy.collect_codes` returns them.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary, in which a statistic is ``{n, mean, sd, ci_low, ci_high}`` over subjects::

            {n_subjects, modalities, n_tokens, confidence,
             probe: {token: statistic | {chance, finding}, image: …},
             agreement: {within: {observed: statistic, expected: statistic}, between_same: …, between_different: …},
             exceeds: {between_same: statistic of within − between_same, between_different: …},
             anatomical: bool}

        ``finding`` is ``near`` (chance), ``told`` (the interval lies above chance), or ``open``.

    Raises:
        ValueError: Columns are missing, the table is empty, or it holds fewer than two modalities.
    """
    grid, subjects, modalities = _arranged(codes)
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    chance = chance_of(grid)
    probe = {
        "token": mean_with_interval(probe_tokens(grid), **bootstrap),
        "image": mean_with_interval(probe_images(grid), **bootstrap),
    }
    probe = {name: entry | {"chance": chance, "finding": _finding(entry, chance)} for name, entry in probe.items()}
    agreement = code_agreement(grid)
    observed = {kind: values[:, 0] for kind, values in agreement.items()}
    exceeds = {kind: mean_with_interval(observed[WITHIN] - observed[kind], **bootstrap) for kind in (SAME, DIFFERENT)}
    above = all(entry["ci_low"] is not None and entry["ci_low"] > 0 for entry in exceeds.values())
    return {
        "n_subjects": len(subjects),
        "modalities": modalities,
        "n_tokens": int((grid >= 0).sum()),
        "confidence": confidence,
        "probe": probe,
        "agreement": {
            kind: {
                name: mean_with_interval(values[:, column], **bootstrap)
                for column, name in enumerate(("observed", "expected"))
            }
            for kind, values in agreement.items()
        },
        "exceeds": exceeds,
        "anatomical": above and all(entry["finding"] == "near" for entry in probe.values()),
    }


def chance_of(codes: Codes) -> float:
    """Accuracy of always naming the modality that is best to name, mean over subjects.

    1 over the number of modalities if nobody lacks any, more otherwise.
    """
    present = (codes >= 0).any(-1)
    return float((present / present.sum(1, keepdims=True)).mean(0).max())


def probe_tokens(codes: Codes) -> Float[np.ndarray, " subject"]:
    """How often the modality is told by a single code, per subject, from what the others' codes teach.

    That is the linear probe of the one-hot code: its multinomial logistic regression has a closed form, which names
    the modality in which the code takes the largest share. Ties, and codes that nobody else has, are guessed.

    Args:
        codes: Per subject, modality and position; −1 outside the brain and for modalities that a subject lacks.

    Returns:
        Share of right answers: per modality over tokens, then mean over the modalities of a subject. NaN for all if
        there is only one subject.
    """
    counts = _histograms(codes)
    right = np.full(len(codes), np.nan)
    for subject in range(len(codes) if len(codes) > 1 else 0):
        others = counts.sum(0) - counts[subject]
        shares = others / np.maximum(others.sum(1, keepdims=True), 1)
        winners = shares == shares.max(0)
        told = (counts[subject] * (winners / winners.sum(0))).sum(1)
        total = counts[subject].sum(1)
        right[subject] = (told[total > 0] / total[total > 0]).mean()
    return right


def probe_images(codes: Codes) -> Float[np.ndarray, " subject"]:
    """How often the modality is told by how frequent each code is in an image, per subject left out of the training.

    Multinomial logistic regression on the square roots of the shares (distances of which are Hellinger's), which
    keeps rare codes from being drowned by frequent ones.

    Args:
        codes: As for :func:`probe_tokens`.

    Returns:
        Share of a subject's images whose modality is named; NaN for all if there is only one subject.
    """
    counts = _histograms(codes)
    subjects, modality = np.nonzero(counts.sum(2))
    features = counts[subjects, modality]
    features = np.sqrt(features / features.sum(1, keepdims=True))
    features = features[:, features.any(0)]
    right = np.zeros(len(modality))
    if len(codes) < 2:
        return np.full(len(codes), np.nan)
    for train, test in GroupKFold(min(_FOLDS, len(codes))).split(features, modality, subjects):
        if len(known := np.unique(modality[train])) == 1:
            named = np.repeat(known, len(test))
        else:
            model = LogisticRegression(C=_INVERSE_REGULARISATION, class_weight="balanced", max_iter=2000)
            named = model.fit(features[train], modality[train]).predict(features[test])
        right[test] = named == modality[test]
    return np.bincount(subjects, right) / np.bincount(subjects)


def code_agreement(codes: Codes, partners: int = 8) -> dict[str, Float[np.ndarray, "subject 2"]]:
    """At what share of positions, in both brains, two images have the same code; and what chance would give.

    By chance two images agree as often as their histograms over these positions say.

    Args:
        codes: As for :func:`probe_tokens`.
        partners: Each subject is compared with so many that follow it in the table (the first follows the last).

    Returns:
        Kind of pair (:data:`WITHIN`, :data:`SAME`, :data:`DIFFERENT`) → per subject the mean over its pairs of the
        observed share and of the one expected; NaN where a subject has no such pair.
    """
    n_subjects, n_modalities, _ = codes.shape
    found = {kind: np.full((n_subjects, 2), np.nan) for kind in (WITHIN, SAME, DIFFERENT)}
    for subject, own in enumerate(codes):
        followers = [(subject + step) % n_subjects for step in range(1, min(partners, n_subjects - 1) + 1)]
        pairs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in found}
        for first in range(n_modalities):
            pairs[WITHIN] += [_agreement(own[first], own[second]) for second in range(first + 1, n_modalities)]
            for other in followers:
                for second in range(n_modalities):
                    kind = SAME if first == second else DIFFERENT
                    pairs[kind].append(_agreement(own[first], codes[other, second]))
        for kind, values in pairs.items():
            known = [value for value in values if not np.isnan(value[0])]
            if known:
                found[kind][subject] = np.mean(known, axis=0)
    return found


def _agreement(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Observed and expected share of equal codes of two images; NaN if they share no position."""
    both = (first >= 0) & (second >= 0)
    n = int(both.sum())
    if not n:
        return np.nan, np.nan
    first, second = first[both], second[both]
    size = int(max(first.max(), second.max())) + 1
    expected = np.bincount(first, minlength=size) @ np.bincount(second, minlength=size) / n**2
    return float((first == second).mean()), float(expected)


def _arranged(codes: pd.DataFrame) -> tuple[Codes, list[str], list[str]]:
    """Codes as an array, −1 where there is none, and the names of its subjects and modalities."""
    absent = [column for column in ("subject", "modality", "position", "code") if column not in codes.columns]
    if absent or codes.empty:
        raise ValueError(f"the table of codes has {len(codes)} rows and lacks the columns {absent}")
    (subject, subjects), (modality, modalities), (position, positions) = (
        pd.factorize(codes[column]) for column in ("subject", "modality", "position")
    )
    if len(modalities) < 2:
        raise ValueError(f"all codes are of {modalities[0]}: there are no modalities to tell apart")
    grid = np.full((len(subjects), len(modalities), len(positions)), -1, dtype=np.int32)
    grid[subject, modality, position] = codes["code"]
    return grid, [str(name) for name in subjects], [str(name) for name in modalities]


def _histograms(codes: Codes) -> Integer[np.ndarray, "subject modality code"]:
    """How often each code occurs."""
    n_subjects, n_modalities, _ = codes.shape
    size = int(codes.max()) + 1
    subject, modality, position = np.nonzero(codes >= 0)
    index = (subject * n_modalities + modality) * size + codes[subject, modality, position]
    return np.bincount(index, minlength=n_subjects * n_modalities * size).reshape(n_subjects, n_modalities, size)


def _finding(probe: dict, chance: float) -> Literal["near", "told", "open"]:
    """What a probe's interval says."""
    if probe["ci_low"] is None:
        return "open"
    if probe["ci_high"] <= chance + NEAR * (1 - chance):
        return "near"
    return "told" if probe["ci_low"] > chance else "open"
