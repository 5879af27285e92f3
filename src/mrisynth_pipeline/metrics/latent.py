"""Do latents follow the subject, whatever contrasts they were inferred from? Components and distances of codes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.decomposition import PCA

from mrisynth_pipeline.metrics.resampling import mean_with_interval, paired_difference

PLACED, POOLED = "placed", "pooled"
"""Codes compared place by place, or by the mean of every channel over the brain, which knows of no place."""

ONE_TO_ALL, SUBSETS = "one_to_all", "subsets"
"""Which codes are compared: one contrast's with that of all contrasts; or of any two subsets."""


def principal_components(
    codes: Float[np.ndarray, "code feature"], n_components: int
) -> tuple[Float[np.ndarray, "code component"], Float[np.ndarray, " component"]]:
    """Scores of the codes on their first principal components, and the share of the variance that each explains.

    Args:
        codes: One row per code.
        n_components: As many are kept, or as many as there can be (one less than codes, and no more than features).

    Returns:
        Scores and shares; the shares are 0 if all codes are alike.
    """
    pca = PCA(min(n_components, len(codes) - 1, codes.shape[1]), svd_solver="full")
    with np.errstate(invalid="ignore"):
        scores = pca.fit_transform(codes)
    return scores, np.nan_to_num(pca.explained_variance_ratio_)


def distances_of(codes: Float[np.ndarray, "subject subset feature"], subsets: Sequence[str]) -> list[dict]:
    """The distances between codes that say whether they follow the subject.

    Two of the same subject and different subsets; two of different subjects and the same subset; and a contrast's of
    one subject with that of all contrasts of another.

    Args:
        codes: The last subset is that of all contrasts.
        subsets: Names of the subsets, such as ``t1+t2``.

    Returns:
        Rows with ``subject``, ``inputs``, ``other`` and ``other_inputs`` (positions of the subjects, names of the
        subsets) and ``distance``, the root of the mean squared difference over the features, in units of the latent.
    """
    n_subjects, n_subsets, n_features = codes.shape
    last, rows = n_subsets - 1, []
    pairs = [(s, a, s, b) for s in range(n_subjects) for a in range(n_subsets) for b in range(a + 1, n_subsets)]
    pairs += [(s, a, t, a) for a in range(n_subsets) for s in range(n_subjects) for t in range(n_subjects) if s != t]
    ones = [number for number, name in enumerate(subsets) if "+" not in name]
    pairs += [(s, a, t, last) for a in ones for s in range(n_subjects) for t in range(n_subjects) if s != t]
    for subject, first, other, second in pairs:
        distance = float(np.linalg.norm(codes[subject, first] - codes[other, second]) / np.sqrt(n_features))
        identity = {"subject": subject, "inputs": subsets[first], "other": other, "other_inputs": subsets[second]}
        rows.append(identity | {"distance": distance})
    return rows


def summarise_latent(
    components: pd.DataFrame,
    distances: pd.DataFrame,
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict:
    """Whether the latents of a subject, inferred from different contrasts, are closer than those of two subjects.

    Args:
        components: One row per subject, subset and component: ``subject``, ``inputs``, ``component``, ``score`` and
            ``explained``.
        distances: One row per ``code`` (:data:`PLACED`, :data:`POOLED`) and pair of codes, with the columns of
            :func:`distances_of`.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary, in which a statistic is ``{n, mean, sd, ci_low, ci_high}`` over subjects::

            {n_subjects, explained: [share], confidence,
             codes: {placed: {one_to_all: {within, between, exceeds: statistic, finding}, subsets: …,
                              nearest: statistic | {chance}}, pooled: …}}

        ``one_to_all``: of one contrast's code and that of all contrasts, of the same subject (``within``) or of two;
        ``subsets``: of codes of the same subject and different subsets, against different subjects and the same
        subset. ``exceeds`` is between − within, paired over subjects; ``finding`` is ``closer`` (its interval lies
        above 0), ``farther`` or ``open``. ``nearest``: share of the one-contrast codes to which, of all subjects'
        codes of all contrasts, that of their own subject is the nearest.

    Raises:
        ValueError: A table lacks columns or is empty.
    """
    for name, table, columns in (
        ("components", components, ["subject", "component", "explained"]),
        ("distances", distances, ["code", "subject", "inputs", "other", "other_inputs", "distance"]),
    ):
        if (absent := [column for column in columns if column not in table.columns]) or table.empty:
            raise ValueError(f"the table of {name} has {len(table)} rows and lacks the columns {absent}")
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    explained = components.groupby("component")["explained"].first()
    return {
        "n_subjects": int(distances["subject"].nunique()),
        "confidence": confidence,
        "explained": [float(share) for share in explained.sort_index()],
        "codes": {str(code): _of_codes(rows, bootstrap) for code, rows in distances.groupby("code", sort=False)},
    }


def _of_codes(rows: pd.DataFrame, bootstrap: dict) -> dict:
    same = rows["subject"] == rows["other"]
    everything = rows["other_inputs"].str.count(r"\+") == rows["other_inputs"].str.count(r"\+").max()
    to_all = rows[everything & ~rows["inputs"].str.contains("+", regex=False)]
    alike = rows["inputs"] == rows["other_inputs"]
    own, others = to_all[to_all["subject"] == to_all["other"]], to_all[to_all["subject"] != to_all["other"]]
    return {
        ONE_TO_ALL: _compared(own, others, bootstrap),
        SUBSETS: _compared(rows[same & ~alike], rows[~same & alike], bootstrap),
        "nearest": _nearest(own, others, bootstrap),
    }


def _compared(within: pd.DataFrame, between: pd.DataFrame, bootstrap: dict) -> dict:
    """Mean distances per subject, their difference, and what it says."""
    means = pd.concat([part.groupby("subject")["distance"].mean() for part in (within, between)], axis=1)
    own, others = means.to_numpy().T
    exceeds = mean_with_interval(paired_difference(others, own), **bootstrap)
    finding = "open"
    if exceeds["ci_low"] is not None and exceeds["ci_low"] > 0:
        finding = "closer"
    elif exceeds["ci_high"] is not None and exceeds["ci_high"] < 0:
        finding = "farther"
    within_, between_ = (mean_with_interval(values, **bootstrap) for values in (own, others))
    return {"within": within_, "between": between_, "exceeds": exceeds, "finding": finding}


def _nearest(own: pd.DataFrame, others: pd.DataFrame, bootstrap: dict) -> dict:
    """How often the own code is nearer than every other subject's; ties count as not found."""
    keys = ["subject", "inputs"]
    closest = others.groupby(keys)["distance"].min()
    found = (own.set_index(keys)["distance"].reindex(closest.index) < closest).groupby("subject").mean()
    n_subjects = own["subject"].nunique()
    return mean_with_interval(found.to_numpy(dtype=float), **bootstrap) | {"chance": 1 / max(n_subjects, 1)}
