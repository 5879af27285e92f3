"""Withholds scans at random: what an incomplete cohort costs is measured on a complete one whose scans are hidden.

Every scan has a rank that depends on the seed, its subject and its contrast alone. Scans are withheld in that order, so
those of a smaller fraction are among those of a larger one, and a subject more or less in the cohort changes little.
"""

import hashlib
from collections.abc import Mapping

import pandas as pd

Withheld = Mapping[str, frozenset[str]]
"""Subject → contrasts of it that are treated as never scanned; subjects that lose nothing are not in it."""


def choose_withheld(present: pd.DataFrame, fraction: float, seed: int) -> Withheld:
    """Say which scans to withhold.

    Every subject keeps a scan, and every contrast a subject that has it; a scan that must stay for that is passed
    over, and the next in rank goes in its place. So the share withheld is the fraction, to the nearest scan, until
    hardly anything more can go: of four contrasts at most about three quarters.

    Args:
        present: Which scans there are, bool; one row per subject (index), one column per contrast. The order of rows
            and columns does not matter.
        fraction: Share of the scans to withhold, in [0, 1).
        seed: Of the ranks.

    Returns:
        The scans to withhold; those of a smaller fraction of the same table and seed are a subset.

    Raises:
        ValueError: The fraction is not in [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"the fraction of scans to withhold must be in [0, 1), got {fraction}")
    scans = sorted(
        ((str(subject), str(contrast)) for subject, row in present.iterrows() for contrast in present.columns[row]),
        key=lambda scan: _rank(seed, *scan),
    )
    of_subject = pd.Series([subject for subject, _ in scans], dtype=str).value_counts().to_dict()
    of_contrast = pd.Series([contrast for _, contrast in scans], dtype=str).value_counts().to_dict()
    wanted, withheld = round(fraction * len(scans)), {}
    for subject, contrast in scans:
        if wanted == 0:
            break
        if of_subject[subject] > 1 and of_contrast[contrast] > 1:
            withheld.setdefault(subject, set()).add(contrast)
            of_subject[subject] -= 1
            of_contrast[contrast] -= 1
            wanted -= 1
    return {subject: frozenset(contrasts) for subject, contrasts in sorted(withheld.items())}


def _rank(seed: int, subject: str, contrast: str) -> str:
    """A number as good as random, the same in every cohort that holds this scan."""
    return hashlib.sha256(f"{seed}/{subject}/{contrast}".encode()).hexdigest()
