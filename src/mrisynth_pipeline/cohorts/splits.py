"""Divides subjects into training, validation and test so that no person is in two of them.

``own`` splits are drawn here; ``codebrain`` is a published list, kept as it was published (its leak is
reported, see ``published_splits/README.md``) so that results can stand beside the paper's.
"""

import hashlib
import logging
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest_schema import usable
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, SEGMENTATION
from mrisynth_pipeline.cohorts.parameters import SplitParameters

logger = logging.getLogger(__name__)

OWN = "own"
PARTS = ("train", "validation", "test")
PUBLISHED_LISTS: dict[str, tuple[str, ...]] = {"codebrain": ("codebrain_brats2023", "codebrain_ixi")}
"""Name of a published split → its lists, one per archive."""

SLICE_WINDOW = ["first_slice", "last_slice"]
"""Axial slices the authors used: inclusive, 0-based. Columns of published splits only."""


def make_split(manifest: pd.DataFrame, parameters: SplitParameters) -> pd.DataFrame:
    """Give every subject with a usable scan its part.

    Args:
        manifest: As ``manifest.build_manifest`` returns it; row order does not matter.
        parameters: Which split, and the fractions and seed of an own one.

    Returns:
        One row per subject, sorted: ``subject``, ``patient``, ``site``, ``split`` (train, validation or
        test), ``source`` (``own`` or the name of the published list), and for published lists
        ``first_slice``, ``last_slice``. Subjects that a published list does not name are left out.

    Raises:
        InputError: Fewer than two patients, an unknown name, no published list for these subjects, or one
            that leaves nothing to train or to test on.
    """
    subjects = _subjects(manifest)
    if parameters.name == OWN:
        split = _own_split(subjects, parameters)
    else:
        split = _published_split(subjects, parameters.name)
        for leak in _leaks(split):
            logger.warning("The published split leaks: patient %s is in %s", leak["patient"], leak["subjects"])
    return split.sort_values("subject", ignore_index=True)


def split_report(split: pd.DataFrame, manifest: pd.DataFrame) -> dict[str, Any]:
    """What a split amounts to, ready for JSON.

    Args:
        split: As ``make_split`` returns it.
        manifest: The manifest it was made from.

    Returns:
        ``source``; ``subjects`` and ``patients`` {part: count}; ``subjects_per_site`` {site: {part: count}};
        ``leaks`` [{patient, subjects: {subject: part}}] for patients in several parts;
        ``listed_but_absent`` (subjects of a published list without a usable scan here) and
        ``present_but_not_listed`` {count, subjects}.
    """
    source = str(split["source"].iloc[0])
    listed = set() if source == OWN else set(_read_list(source)["subject"])
    present = set(_subjects(manifest)["subject"])
    used = set(split["subject"])
    sites = pd.crosstab(split["site"], split["split"]).reindex(columns=list(PARTS), fill_value=0)
    return {
        "source": source,
        "subjects": {part: int((split["split"] == part).sum()) for part in PARTS},
        "patients": {part: int(split.loc[split["split"] == part, "patient"].nunique()) for part in PARTS},
        "subjects_per_site": {str(site): {part: int(row[part]) for part in PARTS} for site, row in sites.iterrows()},
        "leaks": list(_leaks(split)),
        "listed_but_absent": _counted(listed - present),
        "present_but_not_listed": _counted(present - used),
    }


def _subjects(manifest: pd.DataFrame) -> pd.DataFrame:
    """Subjects with a usable scan: subject, patient, site; sorted."""
    scans = usable(manifest)
    scans = scans[~scans["modality"].isin([SEGMENTATION, BRAIN_MASK])]
    return scans[["subject", "patient", "site"]].drop_duplicates("subject").sort_values("subject", ignore_index=True)


def _own_split(subjects: pd.DataFrame, parameters: SplitParameters) -> pd.DataFrame:
    """Seeded split of patients, stratified by site.

    Patients are lined up by site and, within a site, by a seeded hash of their name; test patients are then
    picked at equal steps along the line (systematic sampling), and validation patients likewise from the
    rest. Totals are met exactly and each site's share of the test set is within one patient of its share of
    the cohort. scikit-learn's splitters stratify or group or keep exact fractions, but not all at once, and
    refuse sites with a single patient.
    """
    patients = subjects.sort_values(["patient", "site"]).drop_duplicates("patient")
    if len(patients) < 2:
        raise InputError(
            "split",
            f"{len(patients)} patient cannot be divided into training and test",
            "Add patients: at least 2, at least 3 with a validation part",
        )
    n_validation, n_test = _part_sizes(len(patients), parameters)
    order = patients["patient"].map(lambda patient: _shuffle_key(patient, parameters.seed))
    line = list(patients.assign(order=order).sort_values(["site", "order"])["patient"])
    test = set(_evenly_spaced(line, n_test))
    rest = [patient for patient in line if patient not in test]
    validation = set(_evenly_spaced(rest, n_validation))
    part = {patient: "test" if patient in test else "train" for patient in line}
    part |= dict.fromkeys(validation, "validation")
    return subjects.assign(split=subjects["patient"].map(part), source=OWN)


def _part_sizes(n_patients: int, parameters: SplitParameters) -> tuple[int, int]:
    """Patients for validation and for test, such that every part that is wanted gets at least one."""
    reserved = 1 if parameters.validation_fraction > 0 and n_patients >= 3 else 0
    n_test = min(max(round(parameters.test_fraction * n_patients), 1), n_patients - 1 - reserved)
    n_validation = max(round(parameters.validation_fraction * n_patients), 1) if reserved else 0
    return min(n_validation, n_patients - 1 - n_test), n_test


def _evenly_spaced(items: list[str], count: int) -> list[str]:
    """``count`` items at equal steps along a list."""
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]


def _shuffle_key(patient: str, seed: int) -> str:
    """A random-looking order that depends on seed and name alone, not on the other patients."""
    return hashlib.sha256(f"{seed}/{patient}".encode()).hexdigest()


def _published_split(subjects: pd.DataFrame, name: str) -> pd.DataFrame:
    """The published list that shares most subjects with the cohort, cut down to them."""
    if name not in PUBLISHED_LISTS:
        names = ", ".join([OWN, *PUBLISHED_LISTS])
        raise InputError("split.name", f"there is no split {name!r}", f"Use one of: {names}")
    present = set(subjects["subject"])
    lists = {source: _read_list(source) for source in PUBLISHED_LISTS[name]}
    source = max(lists, key=lambda source: len(present & set(lists[source]["subject"])))
    split = subjects.merge(lists[source], on="subject", validate="one_to_one")
    absent = [part for part in ("train", "test") if part not in set(split["split"])]
    if absent:
        examples = ", ".join(table["subject"].iloc[0] for table in lists.values())
        raise InputError(
            f"split.name={name}",
            f"the published lists ({', '.join(lists)}) leave nobody for {' and '.join(absent)}: they name "
            f"{len(split)} of {len(present)} subjects present",
            f"Use split.name={OWN}, or the archive that the lists were made for (with {examples}, …)",
        )
    n_absent, n_unlisted = len(lists[source]) - len(split), len(present) - len(split)
    if n_absent or n_unlisted:
        logger.warning(
            "%s: %d listed subjects are absent; %d subjects are not listed and left out",
            source,
            n_absent,
            n_unlisted,
        )
    return split.assign(source=source)[["subject", "patient", "site", "split", "source", *SLICE_WINDOW]]


def _read_list(source: str) -> pd.DataFrame:
    """A published list: subject, split, first_slice, last_slice."""
    path = resources.files("mrisynth_pipeline.cohorts") / "published_splits" / f"{source}.csv"
    with path.open("r", encoding="utf-8") as file:
        table = pd.read_csv(file)
    return table.assign(split=table["split"].replace({"val": "validation"}))[["subject", "split", *SLICE_WINDOW]]


def _leaks(split: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Patients whose subjects are in more than one part."""
    for patient, members in split.groupby("patient"):
        if members["split"].nunique() > 1:
            parts = members.sort_values("subject")
            yield {
                "patient": str(patient),
                "subjects": dict(zip(parts["subject"], parts["split"], strict=True)),
            }


def _counted(subjects: set[str]) -> dict[str, Any]:
    return {"count": len(subjects), "subjects": sorted(subjects)}
