"""From scores of misaligned inputs to what a misalignment costs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mrisynth_pipeline.metrics.comparison import compare_methods
from mrisynth_pipeline.metrics.measures import MEASURES
from mrisynth_pipeline.metrics.misalignment import CASE_KEYS, KINDS, NONE
from mrisynth_pipeline.metrics.resampling import mean_with_interval

COST_MM = (0.5, 1.0, 2.0)
"""Mean displacements of the brain at which the cost is stated, in mm."""

_MEASURES = tuple(measure for measure in MEASURES if measure.name in ("psnr", "ssim"))
_COLUMNS = [measure.column for measure in _MEASURES]
_LOSSES = {column: f"loss_{column}" for column in _COLUMNS}
_GROUP = ["kind", "amount", "registered"]


def summarise_robustness(
    scores: pd.DataFrame,
    *,
    cost_mm: Sequence[float] = COST_MM,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict:
    """Summarise the scores of misaligned inputs per method, kind and amount, as they are and after registration.

    Means are over subjects: a subject's repeats, targets and, where trainings were repeated, seeds are averaged
    first. The loss is the subject's score with aligned inputs minus the same with one input misaligned, target by
    target; it is negative where misalignment helps. Aligned means as prepared (kind ``none``, not registered).

    The cost of a displacement of x mm is read off each subject's loss over the mean displacement of its brain, as
    imposed by one kind of motion, interpolated linearly between amounts from 0 at 0 mm; it is not extrapolated.

    Args:
        scores: One row per method and case, as :func:`~mrisynth_pipeline.evaluation.misalignment.score_misaligned`
            returns them; several methods, and several trainings with a column ``seed``, concatenated.
        cost_mm: Displacements at which the cost is stated.
        confidence: Coverage of the bootstrap intervals.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary::

            {n_subjects, confidence, methods: [name], kinds: [kind], registered: bool, cost_mm: [mm],
             warnings: [sentence],
             rows: [{method, kind, amount, registered, n_cases, n_seeds, residual_mm,
                 slice: {psnr: {n, mean, sd, ci_low, ci_high}, ssim}, volume: {psnr, ssim},
                 loss: {slice: {psnr, ssim}, volume: {psnr, ssim}}}],
             costs: [{method, kind, mm, slice: {psnr, ssim}, volume: {psnr, ssim}}],
             comparisons: [{kind} | see compare_methods, on the loss over all amounts of the kind]}

        ``n_cases`` counts a subject's repeats and targets, not seeds; ``residual_mm`` is the mean displacement of
        the brain. A cost without any subject whose displacements reach so far has ``mean`` ``None``.

    Raises:
        ValueError: Columns are missing, the table is empty, a case repeats, or aligned cases are missing.
    """
    cases, n_seeds = _over_seeds(scores)
    cases = _with_losses(cases)
    methods = list(dict.fromkeys(cases["method"]))
    kinds = [kind for kind in KINDS if (cases["kind"] == kind).any()]
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    # Targets weigh alike within a subject, however the repeats fell on them; subjects weigh alike within a method.
    values = ["residual_mm", *_COLUMNS, *_LOSSES.values()]
    pairs = cases.groupby(["method", "subject", *_GROUP, "inputs", "target"], sort=False)[values].mean().reset_index()
    subjects = pairs.groupby(["method", "subject", *_GROUP], sort=False)[values].mean().reset_index()
    counts = cases.groupby(["method", *_GROUP], sort=False).size()
    rows = []
    for (method, kind, amount, registered), part in subjects.groupby(["method", *_GROUP], sort=False):
        rows.append(
            {"method": method, "kind": kind, "amount": float(amount), "registered": bool(registered)}
            | {"n_cases": int(counts[method, kind, amount, registered]), "n_seeds": n_seeds[method]}
            | {"residual_mm": float(part["residual_mm"].mean())}
            | _statistics(part, {column: column for column in _COLUMNS}, bootstrap)
            | {"loss": _statistics(part, _LOSSES, bootstrap)}
        )
    return {
        "n_subjects": int(cases["subject"].nunique()),
        "confidence": confidence,
        "methods": methods,
        "kinds": kinds,
        "registered": bool(cases["registered"].any()),
        "cost_mm": [float(mm) for mm in cost_mm],
        "warnings": _coverage_warnings(cases, methods),
        "rows": rows,
        "costs": [
            {"method": method, "kind": kind, "mm": float(mm)}
            | _statistics(_costs(subjects, method, kind, float(mm)), _LOSSES, bootstrap)
            for method in methods
            for kind in kinds
            for mm in cost_mm
        ],
        "comparisons": [{"kind": kind} | entry for kind in kinds for entry in _comparisons(pairs, methods, kind)],
    }


def _over_seeds(scores: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """One row per method and case, and how many trainings of each method are behind it.

    Raises:
        ValueError: The table cannot be summarised.
    """
    keys = ["method", *CASE_KEYS]
    absent = [column for column in [*keys, "residual_mm", *_COLUMNS] if column not in scores.columns]
    if absent:
        raise ValueError(f"the table of misaligned inputs lacks the columns {absent}; it has {list(scores.columns)}")
    if scores.empty:
        raise ValueError("the table of misaligned inputs is empty: no subject was scored")
    seeds = scores["seed"] if "seed" in scores else pd.Series(0, index=scores.index)
    repeated = scores.assign(seed=seeds).duplicated([*keys, "seed"])
    if repeated.any():
        raise ValueError(f"scored twice: {scores.loc[repeated, keys].iloc[0].to_dict()}")
    if not np.isfinite(scores[["residual_mm", *_COLUMNS]].to_numpy(dtype=float)).all():
        raise ValueError("the table of misaligned inputs holds scores that are NaN or infinite")
    averaged = scores.groupby(keys, sort=False)[["residual_mm", *_COLUMNS]].mean().reset_index()
    n_seeds = seeds.groupby(scores["method"]).nunique(dropna=False)  # a baseline in the same table has no seed
    return averaged.astype({"registered": bool}), {method: int(count) for method, count in n_seeds.items()}


def _with_losses(cases: pd.DataFrame) -> pd.DataFrame:
    """The cases with what each lost against the aligned case of the same method, subject, inputs and target."""
    keys = ["method", "subject", "inputs", "target"]
    aligned = cases[(cases["kind"] == NONE) & ~cases["registered"]].set_index(keys)[_COLUMNS]
    reference = cases[keys].join(aligned, on=keys)
    if reference[_COLUMNS].isna().to_numpy().any():
        lost = reference[reference[_COLUMNS].isna().any(axis=1)].iloc[0]
        raise ValueError(f"no aligned case to compare with: {lost[keys].to_dict()}")
    losses = {loss: reference[column] - cases[column] for column, loss in _LOSSES.items()}
    return cases.assign(**losses)


def _statistics(subjects: pd.DataFrame, columns: dict[str, str], bootstrap: dict) -> dict[str, dict[str, dict]]:
    """Protocol → measure → mean and interval over subjects; ``columns`` says where each measure's values are."""
    found: dict[str, dict[str, dict]] = {}
    for measure in _MEASURES:
        values = subjects[columns[measure.column]].to_numpy()
        found.setdefault(measure.protocol, {})[measure.name] = mean_with_interval(values, **bootstrap)
    return found


def _costs(subjects: pd.DataFrame, method: str, kind: str, mm: float) -> pd.DataFrame:
    """Per subject what a displacement of ``mm`` costs; NaN where the subject was never moved so far."""
    chosen = subjects[(subjects["method"] == method) & (subjects["kind"] == kind) & ~subjects["registered"]]
    rows = []
    for _, part in chosen.groupby("subject", sort=False):
        curve = part.sort_values("residual_mm")
        way = [0.0, *curve["residual_mm"]]
        rows.append({loss: np.interp(mm, way, [0.0, *curve[loss]], right=np.nan) for loss in _LOSSES.values()})
    return pd.DataFrame(rows, columns=list(_LOSSES.values()), dtype=float)


def _comparisons(pairs: pd.DataFrame, methods: list[str], kind: str) -> list[dict]:
    """Every method's loss in volume PSNR against every other's, mean over the amounts of one kind."""
    chosen = pairs[(pairs["kind"] == kind) & ~pairs["registered"]]
    loss = _LOSSES["volume_psnr"]
    means = chosen.groupby(["method", "subject", "inputs", "target"], sort=False)[loss].mean().reset_index()
    return compare_methods(means, methods, loss, higher_is_better=False)


def _coverage_warnings(cases: pd.DataFrame, methods: list[str]) -> list[str]:
    """Sentences on methods that were not scored on the same cases as the others."""
    most = len(cases[list(CASE_KEYS)].drop_duplicates())
    counts = cases.groupby("method").size()
    return [
        f"{method} was scored on {counts[method]} of {most} misaligned cases: its means are not comparable with the "
        "others"
        for method in methods
        if counts[method] < most
    ]
