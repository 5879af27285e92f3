"""Cross-validation: the subjects of a study in folds, each tested on once."""

from typing import Any

import numpy as np
import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError


def folds_of(
    study: dict[str, Any], split: pd.DataFrame, n_folds: int, option: str, seed: int = 0
) -> list[dict[str, Any]]:
    """The study once per fold, each time with another part of all its subjects as test part.

    Args:
        study: Who is in the study.
        split: Rows with ``subject`` and ``patient``: all scans of a patient fall into one fold.
        n_folds: 0 gives the study as it is, with its own parts.
        option: Name of the parameter that says how many, for the message.
        seed: Of the patients' order.

    Returns:
        Studies with ``train`` and ``test`` of the fold and without validation; the fingerprint says which fold.

    Raises:
        InputError: There are fewer patients than folds, or one fold alone.
    """
    if n_folds == 0:
        return [study]
    members = [subject for part in ("train", "validation", "test") for subject in study[part]]
    patient_of = dict(zip(split["subject"], split["patient"], strict=True))
    patients = sorted({patient_of[subject] for subject in members})
    if not 2 <= n_folds <= len(patients):
        raise InputError(
            f"{option}={n_folds}", f"the study has {len(patients)} patients", "Take 0, or 2 and more folds"
        )
    shuffled = np.random.default_rng(seed).permutation(patients)
    tested = [set(shuffled[fold::n_folds]) for fold in range(n_folds)]
    return [
        study
        | {
            "train": [subject for subject in members if patient_of[subject] not in chosen],
            "validation": [],
            "test": [subject for subject in members if patient_of[subject] in chosen],
            "fingerprint": f"{study['fingerprint']} fold {fold} of {n_folds}, seed {seed}",
        }
        for fold, chosen in enumerate(tested)
    ]
