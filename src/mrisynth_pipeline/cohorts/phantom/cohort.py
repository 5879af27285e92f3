"""The whole phantom cohort on disk, in an archive's layout, with the truth beside it."""

import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mrisynth_pipeline.cohorts.modalities import SEGMENTATION
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.files import (
    fingerprint,
    read_marker,
    write_json,
    write_marker,
    write_nifti,
)
from mrisynth_pipeline.cohorts.phantom.roster import Enrolment, enrol
from mrisynth_pipeline.cohorts.phantom.subject import simulate_subject

_VERSION = 1
"""Raised whenever the same parameters give other images, so that old files are not taken for finished ones."""


def truth_dir(out_dir: Path) -> Path:
    """Where the truth of a cohort lies: beside its folder, never inside it."""
    return out_dir.with_name(out_dir.name + "-truth")


def _subject_fingerprint(parameters: PhantomParameters, registered: bool) -> str:
    """What a subject's files depend on: everything but the size of the cohort."""
    content = parameters.model_dump(mode="json", exclude={"n_subjects"})
    return fingerprint({**content, "registered": registered, "version": _VERSION})


def _remove_subject(out_dir: Path, truth: Path) -> None:
    """Delete what an earlier run wrote for a subject, and nothing else."""
    marker = read_marker(truth)
    for row in (marker or {}).get("scans", []):
        path = out_dir / row["path"]
        path.unlink(missing_ok=True)
        if path.parent != out_dir and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    if marker is not None:
        shutil.rmtree(truth)


def _row(enrolment: Enrolment, modality: str, values: np.ndarray, affine: np.ndarray) -> dict:
    """One row of the cohort table."""
    return {
        "subject": enrolment.subject,
        "patient": enrolment.patient,
        "session": f"{enrolment.session:03d}",
        "site": enrolment.site,
        "modality": modality,
        "path": enrolment.scan_path(modality),
        "shape": "x".join(str(n) for n in values.shape),
        "spacing_mm": "x".join(f"{s:.2f}" for s in nib.affines.voxel_sizes(affine)),
        "orientation": "".join(nib.aff2axcodes(affine)),
    }


def fabricate_subject(parameters: PhantomParameters, registered: bool, out_dir: Path, number: int) -> list[dict]:
    """Simulate one subject and write its scans and truth, unless they are there already.

    Args:
        parameters: The cohort.
        registered: Whether scans come aligned and skull-stripped.
        out_dir: Folder of the cohort.
        number: Position of the subject in the cohort.

    Returns:
        One row per written scan.
    """
    enrolment = enrol(parameters, number)
    truth = truth_dir(out_dir) / enrolment.subject
    wanted = _subject_fingerprint(parameters, registered)
    marker = read_marker(truth)
    if (
        marker is not None
        and marker["complete"]
        and marker["fingerprint"] == wanted
        and all((out_dir / row["path"]).is_file() for row in marker["scans"])
    ):
        return marker["scans"]
    _remove_subject(out_dir, truth)

    with threadpool_limits(1):  # workers are the parallelism; small matrix products gain nothing from threads
        simulated = simulate_subject(parameters, registered, enrolment)
    files = {
        modality: (np.round(scan.values).clip(0, 32767).astype(np.int16), scan.grid.affine)
        for modality, scan in simulated.scans.items()
    }
    if simulated.segmentation is not None:
        files[SEGMENTATION] = (simulated.segmentation, simulated.reference_grid.affine)
    rows = [_row(enrolment, modality, *content) for modality, content in files.items()]
    marker = {"fingerprint": wanted, "complete": False, "scans": rows}
    write_marker(truth, marker)
    for modality, content in files.items():
        write_nifti(out_dir / enrolment.scan_path(modality), *content)
    for name, values in simulated.tissues.items():
        stored = values if values.dtype == np.uint8 else np.round(values * 255).astype(np.uint8)
        write_nifti(truth / f"{name}.nii.gz", stored, simulated.reference_grid.affine)
    write_json(
        truth / "transforms.json",
        {
            "direction": "anatomy world to scan world: x_scan = matrix @ (x_anatomy, 1), RAS, mm",
            "reference": simulated.reference,
            "transforms": {m: matrix.tolist() for m, matrix in simulated.transforms.items()},
        },
    )
    write_marker(truth, {**marker, "complete": True})
    return rows


def fabricate_cohort(parameters: PhantomParameters, registered: bool, out_dir: Path, workers: int) -> pd.DataFrame:
    """Write the cohort to disk.

    Subjects that are complete for the same parameters are left alone, so that a run that was stopped goes on where it
    was; subjects of an earlier, larger or different cohort in the same folder are removed.

    Args:
        parameters: The cohort.
        registered: ``True``: contrasts share the BraTS archive's grid and are skull-stripped. ``False``: as from the
            scanner.
        out_dir: Folder of the cohort; the truth is written beside it, in ``<out_dir>-truth``.
        workers: Number of processes; each uses one thread and up to 2 GB.

    Returns:
        One row per written scan: subject, patient, session, site, modality, path (below ``out_dir``), shape,
        spacing_mm, orientation.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    members = {enrol(parameters, number).subject for number in range(parameters.n_subjects)}
    if truth_dir(out_dir).is_dir():
        for folder in truth_dir(out_dir).iterdir():
            if folder.name not in members:
                _remove_subject(out_dir, folder)

    numbers = range(parameters.n_subjects)
    progress = tqdm(total=parameters.n_subjects, desc="Phantom subjects", unit="subject")
    results: dict[int, list[dict]] = {}
    with progress:
        if workers <= 1:
            for number in numbers:
                results[number] = fabricate_subject(parameters, registered, out_dir, number)
                progress.update()
        else:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                jobs = {
                    pool.submit(fabricate_subject, parameters, registered, out_dir, number): number
                    for number in numbers
                }
                for job in as_completed(jobs):
                    results[jobs[job]] = job.result()
                    progress.update()
    return pd.DataFrame([row for number in numbers for row in results[number]])
