"""Withholds scans at random: what an incomplete cohort costs is measured on a complete one whose scans are hidden.

Every scan has a rank that depends on the seed, its subject and its contrast alone. Scans are withheld in that order, so
those of a smaller fraction are among those of a larger one, and a subject more or less in the cohort changes little.
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mrisynth_pipeline.cohorts.integrity import ScanCheck, sentence
from mrisynth_pipeline.cohorts.manifest_schema import WITHHELD, scan_path, usable, validate_manifest
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, SEGMENTATION
from mrisynth_pipeline.cohorts.parameters import CohortParameters
from mrisynth_pipeline.cohorts.subject_checks import same_grid
from mrisynth_pipeline.cohorts.volumes import open_volume

logger = logging.getLogger(__name__)

Withheld = Mapping[str, frozenset[str]]
"""Subject → contrasts of it that are treated as never scanned; subjects that lose nothing are not in it."""


def choose_withheld(present: pd.DataFrame, fraction: float, seed: int, every_contrast: bool = True) -> Withheld:
    """Say which scans to withhold.

    Every subject keeps a scan and, unless told otherwise, every contrast a subject that has it; a scan that must stay
    for that is passed over, and the next in rank goes in its place. So the share withheld is the fraction, to the
    nearest scan, until hardly anything more can go: of four contrasts at most about three quarters.

    Args:
        present: Which scans there are, bool; one row per subject (index), one column per contrast. The order of rows
            and columns does not matter.
        fraction: Share of the scans to withhold, in [0, 1).
        seed: Of the ranks.
        every_contrast: Whether every contrast must stay in somebody's scans; False: only every subject keeps one.

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
        if of_subject[subject] > 1 and (of_contrast[contrast] > 1 or not every_contrast):
            withheld.setdefault(subject, set()).add(contrast)
            of_subject[subject] -= 1
            of_contrast[contrast] -= 1
            wanted -= 1
    return {subject: frozenset(contrasts) for subject, contrasts in sorted(withheld.items())}


def _rank(seed: int, subject: str, contrast: str) -> str:
    """A number as good as random, the same in every cohort that holds this scan."""
    return hashlib.sha256(f"{seed}/{subject}/{contrast}".encode()).hexdigest()


def withhold_scans(manifest: pd.DataFrame, split: pd.DataFrame, parameters: CohortParameters) -> pd.DataFrame:
    """Mark scans of a manifest as withheld; everything that reads it then does as if they had never been made.

    Each part of the split loses its own share, so that the training part loses the same scans whether or not the others
    lose any. Every contrast stays in the training part; a small test part may lose one, which is then not scored. A
    label map or brain mask goes with the scan that it was drawn on, unless it lies on the voxels of another one that
    stays, a transform came with it, or the subject's scans share one grid.

    Args:
        manifest: As ``manifest.build_manifest`` returns it; of scans on voxels of their own the headers are read.
        split: As ``splits.make_split`` returns it; subjects that are in no part lose nothing.
        parameters: ``drop_fraction``, ``drop_from`` and ``drop_seed``.

    Returns:
        The manifest, with a problem in the rows that are withheld.
    """
    if not parameters.drop_fraction:
        return manifest
    known = usable(manifest)
    scans = known[~known["modality"].isin([SEGMENTATION, BRAIN_MASK])]
    present = scans.assign(there=True).pivot_table(
        index="subject", columns="modality", values="there", aggfunc="any", fill_value=False
    )
    parts = ("train",) if parameters.drop_from == "train" else tuple(split["split"].unique())
    chosen: dict[str, frozenset[str]] = {}
    for part in parts:
        members = split.loc[split["split"] == part, "subject"]
        table = present[present.index.isin(members)].astype(bool)
        chosen |= choose_withheld(table, parameters.drop_fraction, parameters.drop_seed, every_contrast=part == "train")
        had, lost = int(table.to_numpy().sum()), sum(len(chosen.get(subject, ())) for subject in table.index)
        logger.info("cohort.drop_fraction: %d of %d scans of the %s part are withheld", lost, had, part)
    rows = [row for subject, names in chosen.items() for row in _rows_to_withhold(known, subject, names)]
    marked = manifest.copy()
    for row in rows:
        reason = sentence(Path(manifest.at[row, "path"]), f"{WITHHELD} (cohort.drop_fraction)", "Set it to 0 to use it")
        marked.loc[row, "problems"] = reason
    return validate_manifest(marked)


def _rows_to_withhold(known: pd.DataFrame, subject: str, contrasts: frozenset[str]) -> list[int]:
    """Rows of a subject's contrasts, and of what was drawn on them alone."""
    own = known[known["subject"] == subject]
    drawn = own["modality"].isin([SEGMENTATION, BRAIN_MASK])
    going = own["modality"].isin(contrasts)
    rows = list(own.index[going])
    loose = own[drawn & (own["transform"] == "") & (own["registered"] != "yes")]
    if loose.empty:
        return rows
    lost, kept = ([_placed(row) for row in own[which].itertuples()] for which in (going, ~going & ~drawn))
    for label_map in loose.itertuples():
        place = _placed(label_map)
        if any(same_grid(place, scan) for scan in lost) and not any(same_grid(place, scan) for scan in kept):
            rows.append(label_map.Index)
    return rows


def _placed(row: tuple) -> ScanCheck:
    """Where the voxels of a row's file lie."""
    image = open_volume(scan_path(row), int(row.volume) if row.volume else None)
    return ScanCheck(shape=tuple(image.shape[:3]), affine=tuple(map(tuple, image.affine)))
