"""The whole cohort: subjects in parallel, each on its own, finished ones skipped."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, SEGMENTATION
from mrisynth_pipeline.cohorts.scan_files import IDENTITY
from mrisynth_pipeline.imaging.parallel import run_jobs
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.subject import ScanSource, fingerprint, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import SubjectStore, write_subject
from mrisynth_pipeline.imaging.transform_files import write_transforms

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
    store: SubjectStore
    obstacle: str = ""

    @property
    def fingerprint(self) -> str:
        """What the subject's file will depend on."""
        return fingerprint(self.scans, self.modalities, self.parameters, self.registered)


def preprocess_cohort(
    manifest: pd.DataFrame,
    store: SubjectStore,
    parameters: PreprocessingParameters,
    modalities: Sequence[str],
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

    Returns:
        The index: one row per subject with ``status`` (done, failed), ``reason``, and quality measures.

    Raises:
        InputError: The manifest is empty, or every subject failed.
    """
    tasks = _tasks(manifest, store, parameters, tuple(modalities))
    if not tasks:
        raise InputError("manifest", "it lists no subject", "Check cohort.raw_dir and cohort.kind")
    rows: dict[str, dict[str, Any]] = {}
    to_do = []
    for task in tasks:
        if task.obstacle:
            rows[task.subject] = _row(task, "failed", task.obstacle)
            store.remove(task.subject)
        elif store.done(task.subject, task.fingerprint):
            rows[task.subject] = _row(task, "done", quality=store.open(task.subject).metadata["quality"])
        else:
            to_do.append(task)
    if len(tasks) > len(to_do):
        logger.info("%d of %d subjects are up to date", len(tasks) - len(to_do), len(tasks))
    outcomes = run_jobs(prepare_and_write, to_do, parameters.workers or os.cpu_count() or 1, parameters.dask_scheduler)
    for position, row, failure in tqdm(outcomes, total=len(to_do), desc="Preprocessing", disable=not to_do):
        task = to_do[position]
        rows[task.subject] = row or _row(task, "failed", failure)
        if rows[task.subject]["status"] == "failed":
            store.remove(task.subject)  # a file of an earlier run would be mistaken for it
            logger.warning("Subject %s failed: %s", task.subject, rows[task.subject]["reason"])
    index = pd.DataFrame([rows[task.subject] for task in tasks])
    if (index["status"] == "failed").all():
        reasons = "; ".join(index["reason"].head(3))
        raise InputError("preprocessing", f"all {len(index)} subjects failed, the first for: {reasons}", "Fix these")
    return index


def prepare_and_write(task: SubjectTask) -> dict[str, Any]:
    """Prepare one subject and write its file (runs inside a worker).

    Returns:
        The subject's row of the index; bad input becomes a failed row, not an exception.
    """
    start = time.perf_counter()
    try:
        subject = preprocess_subject(task.subject, task.scans, task.modalities, task.parameters, task.registered)
        quality = {"seconds": round(time.perf_counter() - start, 3), **subject.quality}
        write_transforms(task.store.transforms(task.subject), subject)
        write_subject(task.store.path(task.subject), replace(subject, quality=quality))
    except InputError as error:
        return _row(task, "failed", str(error))
    except Exception as error:
        logger.exception("Subject %s", task.subject)
        return _row(task, "failed", f"{type(error).__name__}: {error}")
    return _row(task, "done", quality=quality)


def _tasks(
    manifest: pd.DataFrame,
    store: SubjectStore,
    parameters: PreprocessingParameters,
    modalities: tuple[str, ...],
) -> list[SubjectTask]:
    """One task per subject of the manifest, sorted; a subject without usable scans gets one without scans."""
    tasks = []
    place = Path.absolute if parameters.dask_scheduler else Path  # other machines start in other folders
    store = SubjectStore(place(Path(store.directory)))
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
        tasks.append(SubjectTask(str(subject), scans, modalities, parameters, bool(registered), store, obstacle))
    return tasks


def _source(row: Any, raw_dir: Path) -> ScanSource:
    """The source that a manifest row stands for."""
    shipped = str(row.transform)
    return ScanSource(
        path=raw_dir / row.path,
        sha256=str(row.sha256),
        volume=int(row.volume) if row.volume else None,
        labels={int(value): int(label) for value, label in (pair.split(":") for pair in row.labels.split())},
        transform=shipped if shipped in ("", IDENTITY) else str(raw_dir / shipped),
    )


def _row(task: SubjectTask, status: str, reason: str = "", quality: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A subject's row of the index."""
    done = status == "done"
    return {
        "subject": task.subject,
        "file": task.store.path(task.subject).name if done else "",
        "status": status,
        "reason": reason,
        "seconds": float("nan"),
        "fingerprint": task.fingerprint if done else "",
        **(quality or {"reference": "", "warnings": ""}),
    }
