"""What a segmenter sees in imputed scans that is not there, and what it no longer sees that is."""

import pandas as pd

from mrisynth_pipeline.metrics.measures import SEGMENTATION_KEYS
from mrisynth_pipeline.metrics.resampling import mean_with_interval, paired_difference
from mrisynth_pipeline.metrics.segmentation_statistics import NONE_MISSING, REAL, ZERO

_VOLUMES = ("true_ml", "false_ml", "missed_ml")


def summarise_hallucinations(
    scores: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> dict:
    """Tumour that imputed scans add to healthy subjects, and tumour that they take from patients.

    A segmenter trained on real scans errs on real scans too. So every number stands beside that of the real, complete
    scans of the same subjects: what is more than that is the imputation's doing. Cohen et al. (Distribution matching
    losses can hallucinate features in medical image translation, MICCAI 2018) showed both directions by eye; to
    measure them by a segmenter's volumes is our choice.

    Args:
        scores: One row per method × subject × missing × region with ``healthy`` and volumes in mL, as
            :func:`~mrisynth_pipeline.evaluation.downstream.segmentation_rows` makes them. ``real`` rows carry
            ``missing = "none"`` and serve every missing contrast; those of ``zero`` are the blank contrasts.
        confidence: Coverage of the bootstrap intervals over subjects.
        n_resamples: Bootstrap samples per interval.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-ready dictionary::

            {n_healthy, n_patients, confidence, methods: [name], regions: [name], missing: [modality],
             healthy: [{missing, region, method, false_ml, real_false_ml, excess_ml, n_alarms}],
             patients: [{missing, region, method, lost, real_lost, blank_lost, false_ml, real_false_ml}]}

        Each value but ``n_alarms`` is ``{n, mean, sd, ci_low, ci_high}``. ``false_ml`` (mL) is what the segmenter draws
        in healthy subjects, ``excess_ml`` how much more that is than on their real scans (paired), ``n_alarms`` in how
        many it draws anything. ``lost`` is the share in [0, 1] of a patient's region that it does not find, over
        patients who have the region; a segmenter that calls half of the brain a tumour loses none, so ``false_ml``
        stands beside it here too. Methods are all but ``real``, and so ``zero`` is among them. A reference that was not
        scored on the same subjects has ``n`` 0 and a mean of ``None``.

    Raises:
        ValueError: Columns are missing, the table is empty, or a row repeats.
    """
    _check(scores)
    bootstrap = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}

    def over_subjects(values: pd.Series) -> dict:
        return mean_with_interval(values.to_numpy(dtype=float), **bootstrap)

    healthy, patients = [], []
    judged = scores[scores["method"] != REAL]
    for (missing, region, method), part in judged.groupby(["missing", "region", "method"], sort=False):
        identity = {"missing": missing, "region": region, "method": method}
        group = scores[scores["region"] == region].set_index("subject")
        real = group[(group["method"] == REAL) & (group["missing"] == NONE_MISSING)]
        blank = group[(group["method"] == ZERO) & (group["missing"] == missing)]
        part = part.set_index("subject")
        well, ill = part[part["healthy"].astype(bool)], part[(part["true_ml"] > 0) & ~part["healthy"].astype(bool)]
        if len(well):
            false, own = well["false_ml"], real["false_ml"].reindex(well.index)
            excess = pd.Series(paired_difference(false, own), index=well.index)
            values = {"false_ml": false, "real_false_ml": own, "excess_ml": excess}
            summaries = {name: over_subjects(value) for name, value in values.items()}
            healthy.append(identity | summaries | {"n_alarms": int((false > 0).sum())})
        if len(ill):
            lost = {name: _lost(rows.reindex(ill.index)) for name, rows in (("real", real), ("blank", blank))}
            patients.append(
                identity
                | {"lost": over_subjects(_lost(ill))}
                | {f"{name}_lost": over_subjects(value) for name, value in lost.items()}
                | {"false_ml": over_subjects(ill["false_ml"])}
                | {"real_false_ml": over_subjects(real["false_ml"].reindex(ill.index))}
            )
    people = scores.drop_duplicates("subject")["healthy"].astype(bool)
    return {
        "n_healthy": int(people.sum()),
        "n_patients": int((~people).sum()),
        "confidence": confidence,
        "methods": list(dict.fromkeys(judged["method"])),
        "regions": list(dict.fromkeys(scores["region"])),
        "missing": list(dict.fromkeys(judged["missing"])),
        "healthy": healthy,
        "patients": patients,
    }


def _lost(rows: pd.DataFrame) -> pd.Series:
    """Share of the true region that was not found, per subject."""
    return rows["missed_ml"] / rows["true_ml"]


def _check(scores: pd.DataFrame) -> None:
    """Refuse a table that cannot be summed up."""
    absent = [column for column in (*SEGMENTATION_KEYS, "healthy", *_VOLUMES) if column not in scores.columns]
    if absent:
        raise ValueError(f"the segmentation table lacks the columns {absent}; it has {list(scores.columns)}")
    if scores.empty:
        raise ValueError("the segmentation table is empty: no subject was segmented")
    if scores.duplicated(subset=list(SEGMENTATION_KEYS)).any():
        raise ValueError("the segmentation table holds the same method, subject, missing and region twice")
