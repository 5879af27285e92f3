"""The whole cohort: subjects in parallel, each on its own, finished ones skipped."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from mrisynth_pipeline.cohorts.archives.scan_files import IDENTITY, THEN
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, SEGMENTATION
from mrisynth_pipeline.imaging.external_masks import TOOLS, find_program
from mrisynth_pipeline.imaging.intensity_methods import Standard
from mrisynth_pipeline.imaging.parallel import run_jobs
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.registration.transform_files import write_transforms
from mrisynth_pipeline.imaging.subject import ScanSource, fingerprint, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject

logger = logging.getLogger(__name__)

INDEX_COLUMNS = ("subject", "file", "status", "reason", "seconds", "fingerprint")
"""First columns of the index; quality columns follow."""


@dataclass(frozen=True)
class SubjectTask:
    """Everything a worker needs to prepare one subject; ``obstacle`` says why it cannot be prepared at all."""

    subject: str
    scans: Mapping[str, ScanSource]
    modalities: tuple[str, ...]
    parameters: PreprocessingParameters
    registered: bool
    standard: Standard
    obstacle: str = ""

    @property
    def fingerprint(self) -> str:
        """What the subject's file will depend on."""
        return fingerprint(self.scans, self.modalities, self.parameters, self.registered, self.standard)

    def prepare(self) -> Subject:
        """The subject, from its scans.

        Raises:
            InputError: A scan cannot be used.
        """
        return preprocess_subject(
            self.subject, self.scans, self.modalities, self.parameters, self.registered, self.standard
        )


def preprocess_cohort(
    manifest: pd.DataFrame,
    store: SubjectStore,
    parameters: PreprocessingParameters,
    modalities: Sequence[str],
    standard: Standard | None = None,
) -> pd.DataFrame:
    """Prepare every subject of a manifest.

    Subjects whose file was made from the same scans with the same parameters are left as they are. A subject
    that fails is recorded and does not stop the others. Memory does not grow with the cohort: workers write
    their files themselves and hand back one row.

    Args:
        manifest: One row per scan; rows with a problem count as missing.
        store: Where subject files go.
        parameters: How.
        modalities: Channel order of the study.
        standard: The intensity standard of the training subjects, where ``intensity.method`` needs one.

    Returns:
        The index: one row per subject with ``status`` (done, failed), ``reason``, and quality measures.

    Raises:
        InputError: The manifest is empty, every subject failed, or the program that is to find the brain is
            missing.
    """
    tasks = subject_tasks(manifest, parameters, tuple(modalities), standard or {})
    if not tasks:
        raise InputError("manifest", "it lists no subject", "Check cohort.raw_dir and cohort.kind")
    if parameters.scheduler:
        store = SubjectStore(Path(store.directory).absolute())
    rows: dict[str, dict[str, Any]] = {}
    to_do = []
    for task in tasks:
        if task.obstacle:
            rows[task.subject] = _row(task, store, "failed", task.obstacle)
            store.remove(task.subject)
        elif store.done(task.subject, task.fingerprint):
            rows[task.subject] = _row(task, store, "done", quality=store.open(task.subject).metadata["quality"])
        else:
            to_do.append(task)
    if len(tasks) > len(to_do):
        logger.info("%d of %d subjects are up to date", len(tasks) - len(to_do), len(tasks))
    check_programs(to_do, parameters)
    job = partial(prepare_and_write, store)
    outcomes = run_jobs(job, to_do, parameters.workers or os.cpu_count() or 1, parameters.scheduler)
    for position, row, failure in tqdm(outcomes, total=len(to_do), desc="Preprocessing", disable=not to_do):
        task = to_do[position]
        rows[task.subject] = row or _row(task, store, "failed", failure)
        if rows[task.subject]["status"] == "failed":
            store.remove(task.subject)  # a file of an earlier run would be mistaken for it
            logger.warning("Subject %s failed: %s", task.subject, rows[task.subject]["reason"])
        elif doubts := rows[task.subject]["warnings"]:
            logger.warning("Subject %s: %s", task.subject, doubts)
    index = pd.DataFrame([rows[task.subject] for task in tasks])
    if (index["status"] == "failed").all():
        reasons = "; ".join(index["reason"].head(3))
        raise InputError("preprocessing", f"all {len(index)} subjects failed, the first for: {reasons}", "Fix these")
    return index


def check_programs(tasks: Sequence[SubjectTask], parameters: PreprocessingParameters) -> None:
    """Miss a program before the work starts, not at every subject. A cluster's machines have their own.

    Raises:
        InputError: ``preprocessing.mask`` names a program that some subject needs and this machine lacks.
    """
    if parameters.mask not in TOOLS or parameters.scheduler:
        return
    given = {BRAIN_MASK} if parameters.use_given_mask else set()
    if any(not task.registered and not given & set(task.scans) for task in tasks):
        find_program(parameters)


def prepare_and_write(store: SubjectStore, task: SubjectTask) -> dict[str, Any]:
    """Prepare one subject and write its file (runs inside a worker).

    Returns:
        The subject's row of the index; bad input becomes a failed row, not an exception.
    """
    start = time.perf_counter()
    try:
        subject = task.prepare()
        quality = {"seconds": round(time.perf_counter() - start, 3), **subject.quality}
        write_transforms(store.transforms(task.subject), subject)
        write_subject(store.path(task.subject), replace(subject, quality=quality))
    except InputError as error:
        return _row(task, store, "failed", str(error))
    except Exception as error:
        logger.exception("Subject %s", task.subject)
        return _row(task, store, "failed", f"{type(error).__name__}: {error}")
    return _row(task, store, "done", quality=quality)


def subject_tasks(
    manifest: pd.DataFrame, parameters: PreprocessingParameters, modalities: tuple[str, ...], standard: Standard
) -> list[SubjectTask]:
    """One task per subject of the manifest, sorted; a subject without usable scans gets one without scans."""
    tasks = []
    place = Path.absolute if parameters.scheduler else Path  # other machines start in other folders
    known = manifest[manifest["subject"] != ""]  # unrecognised files have no subject
    for subject, rows in known.groupby("subject", sort=True):
        usable = rows[rows["problems"].fillna("") == ""]
        usable = usable[usable["modality"].isin([*modalities, SEGMENTATION, BRAIN_MASK])]
        scans = {row.modality: _source(row, place(Path(row.raw_dir))) for row in usable.itertuples()}
        doubled = sorted(usable["modality"][usable["modality"].duplicated()].unique())
        obstacle = ""
        if doubled:
            obstacle = f"has several scans of {', '.join(doubled)}: keep one of each"
        elif set(scans) <= {SEGMENTATION, BRAIN_MASK}:
            obstacle = f"has no usable scan of {', '.join(modalities)}: see the manifest's problems"
        registered = (rows["registered"] == "yes").all()
        tasks.append(SubjectTask(str(subject), scans, modalities, parameters, bool(registered), standard, obstacle))
    return tasks


def _source(row: Any, raw_dir: Path) -> ScanSource:
    """The source that a manifest row stands for."""
    shipped = str(row.transform)
    return ScanSource(
        path=raw_dir / row.path,
        sha256=str(row.sha256),
        volume=int(row.volume) if row.volume else None,
        labels={int(value): int(label) for value, label in (pair.split(":") for pair in row.labels.split())},
        transform=shipped if shipped in ("", IDENTITY) else tuple(str(raw_dir / step) for step in shipped.split(THEN)),
    )


def _row(
    task: SubjectTask, store: SubjectStore, status: str, reason: str = "", quality: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A subject's row of the index."""
    done = status == "done"
    return {
        "subject": task.subject,
        "file": store.path(task.subject).name if done else "",
        "status": status,
        "reason": reason,
        "seconds": float("nan"),
        "fingerprint": task.fingerprint if done else "",
        **(quality or {"reference": "", "warnings": ""}),
    }
