"""Studies whose subjects lack scans: who can be trained on, and studies in which scans are hidden for an experiment."""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from typing import Any

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.pipelines.study import EVERY_CONTRAST, TWO_CONTRASTS, complete_subjects
from mrisynth_pipeline.sampling.patches import subjects_with

logger = logging.getLogger(__name__)


def members_for_imputation(
    study: dict[str, Any], subjects: SubjectStore, incomplete: bool
) -> tuple[list[str], list[str], str]:
    """Who takes part in a training that hides some of a subject's contrasts and learns from those hidden.

    Args:
        study: Who belongs to which part.
        subjects: Their files.
        incomplete: Whether subjects with two or more contrasts take part, or only those with all.

    Returns:
        Training subjects, validation subjects (maybe none), and what they have in common, for the model card.

    Raises:
        InputError: Nobody is left to train on, or one contrast was scanned in none of them.
    """
    if not incomplete:
        return complete_subjects(study, "train"), complete_subjects(study, "validation"), EVERY_CONTRAST
    return paired_subjects(study, subjects, "train"), paired_subjects(study, subjects, "validation"), TWO_CONTRASTS


def paired_subjects(study: dict[str, Any], subjects: SubjectStore, part: str) -> list[str]:
    """Subjects of a part with two or more contrasts; says how many were left out.

    Raises:
        InputError: Of the training part nobody is left, or one contrast was scanned in none of them.
    """
    members = subjects_with(subjects, study[part], at_least=2)
    if alone := len(study[part]) - len(members):
        logger.warning("%d of %d %s subjects have one contrast alone: left out", alone, len(study[part]), part)
    scanned = {
        name
        for subject in members
        for name, there in zip(study["modalities"], subjects.open(subject).present, strict=True)
        if there
    }
    if part == "train" and (lacking := [name for name in study["modalities"] if name not in scanned]):
        raise InputError(
            f"train part of {study['cohort']}",
            f"no subject with two or more contrasts has {', '.join(lacking)}",
            "Add subjects, set cohort.modalities to the contrasts they have, or train on subjects with any contrast: "
            "kedro run --pipelines mmhvae",
        )
    return members


def hide_scans(
    study: dict[str, Any], subjects: SubjectStore, hidden: Mapping[str, Collection[str]]
) -> tuple[dict[str, Any], SubjectStore]:
    """A study in which some scans were never made, for experiments; nothing is prepared again.

    Args:
        study: As it was prepared.
        subjects: Its files.
        hidden: Subject → contrasts to hide, such as :func:`.choose_withheld` chooses.

    Returns:
        The study, with another fingerprint as soon as anything is hidden, and the view of the files
        (:meth:`.SubjectStore.without`). Label maps stay.
    """
    hidden = {subject: sorted(names) for subject, names in sorted(hidden.items()) if names}
    if not hidden:
        return study, subjects
    withheld = dict(study.get("withheld_scans", {}))
    for name in (name for names in hidden.values() for name in names):
        withheld[name] = withheld.get(name, 0) + 1
    digest = hashlib.sha256(json.dumps(hidden).encode()).hexdigest()
    changes = {
        "complete": [subject for subject in study["complete"] if subject not in hidden],
        "withheld_scans": withheld,
        "fingerprint": f"{study['fingerprint']} without {digest}",
    }
    return study | changes, subjects.without(hidden)
