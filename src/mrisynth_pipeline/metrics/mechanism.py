"""How much of an imposed shift the offsets of AGI-Net carry."""

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_AXES = ("y", "x")
_ENOUGH = 1e-6
"""Offsets that vary by less do not vary."""


def summarise_offsets(offsets: pd.DataFrame) -> list[dict]:
    """Correlation and decodability of the imposed shift, per training and layer.

    Two questions. Does a group's offset follow the shift of *its* contrast? In the stem, whose groups are the
    contrasts, by Pearson's correlation along the same axis, against that of the groups that held still. And is the
    shift in the offsets at all? By ridge regression from all offsets of a layer to the shift, one for each moved
    contrast, cross-validated over subjects: R² is the share of the shift's variance that unseen subjects' offsets
    tell, 0 or less if nothing.

    Args:
        offsets: From :func:`mrisynth_pipeline.evaluation.mechanism.probe_offsets`, with ``variant``, ``seed`` and
            ``fold``: offsets of different trainings have nothing to do with one another.

    Returns:
        One entry per variant, seed, fold and layer: ``variant``, ``seed``, ``fold``, ``layer``, ``n_subjects``,
        ``n_cases``, ``spread`` (standard deviation of the offsets over the cases, in taps), ``own_r`` and ``other_r``
        (layer 0, else ``None``; 0 where offsets do not vary) and ``r2`` (``None`` with fewer than two subjects).
    """
    entries = []
    for (variant, *numbers), rows in offsets.groupby(["variant", "seed", "fold", "layer"], sort=False):
        layer = numbers[-1]
        own = rows[rows["group"] == rows["moved"]]
        others = rows[rows["group"] != rows["moved"]]
        spreads = [rows.groupby("group")[f"offset_{axis}"].std(ddof=0).mean() for axis in _AXES]
        entries.append(
            {"variant": variant}
            | dict(zip(("seed", "fold", "layer"), map(int, numbers), strict=True))
            | {"n_subjects": int(rows["subject"].nunique()), "n_cases": len(rows) // rows["group"].nunique()}
            | {"spread": float(np.mean(spreads))}
            | {"own_r": _correlation(own) if layer == 0 else None}
            | {"other_r": _correlation(others) if layer == 0 else None}
            | {"r2": _decodability(rows)}
        )
    return entries


def _correlation(rows: pd.DataFrame) -> float:
    """Mean over axes, moved contrasts and groups of the correlation between offset and shift."""
    found = []
    for _, part in rows.groupby(["moved", "group"]):
        for axis in _AXES:
            offset = part[f"offset_{axis}"]
            varies = offset.std() > _ENOUGH
            found.append(np.corrcoef(part[f"shift_{axis}"], offset)[0, 1] if varies else 0.0)
    return float(np.mean(found))


def _decodability(rows: pd.DataFrame) -> float | None:
    """Cross-validated R² of the shift from all offsets of the layer, mean over moved contrasts and axes."""
    n_subjects = rows["subject"].nunique()
    if n_subjects < 2:
        return None
    scores = []
    for _, part in rows.groupby("moved"):
        values = [f"offset_{axis}" for axis in _AXES]
        features = part.pivot(index=["subject", "case"], columns="group", values=values)
        shifts = part.drop_duplicates(["subject", "case"]).set_index(["subject", "case"]).loc[features.index]
        subjects = features.index.get_level_values("subject")
        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
        for axis in _AXES:
            truth = shifts[f"shift_{axis}"].to_numpy()
            folds = GroupKFold(min(5, n_subjects))
            told = cross_val_predict(model, features.to_numpy(), truth, groups=subjects, cv=folds)
            scores.append(1.0 - np.sum((truth - told) ** 2) / np.sum((truth - truth.mean()) ** 2))
    return float(np.mean(scores))
