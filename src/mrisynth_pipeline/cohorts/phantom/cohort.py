"""The whole phantom cohort on disk, in an archive's layout, with the truth beside it."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mrisynth_pipeline.cohorts.archives.scan_files import scan_paths
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import SEGMENTATION, ULTRASOUND
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.files import (
    fingerprint,
    read_marker,
    write_json,
    write_marker,
    write_nifti,
    write_nrrd,
    write_transform,
)
from mrisynth_pipeline.cohorts.phantom.roster import Enrolment, enrol
from mrisynth_pipeline.cohorts.phantom.subject import SimulatedSubject, simulate_subject

_VERSION = 1
"""Raised whenever the same parameters give other images, so that old files are not taken for finished ones."""


def truth_dir(out_dir: Path) -> Path:
    """Where the truth of a cohort lies: beside its folder, never inside it."""
    return out_dir.with_name(out_dir.name + "-truth")


def fabricate_cohort(parameters: PhantomParameters, registered: bool, out_dir: Path, workers: int) -> pd.DataFrame:
    """Write the cohort to disk.

    Subjects that are complete for the same parameters are left alone, so that a run that was stopped goes on where it
    was; subjects of an earlier, larger or different phantom in the same folder are removed.

    The truth of a subject, in ``<out_dir>-truth/<subject>``: ``transforms.json`` with a 4x4 matrix for each contrast,
    which takes a point of the anatomy's world to the same point of the head in that scan's world (both RAS, mm;
    the identity for the reference contrast of a cohort as from the scanner); ``grey``, ``white``, ``csf`` (shares) and
    ``brain`` (mask) as NIfTI on the grid of the reference contrast. In the ReMIND layout, which outlines the whole
    tumour only, also ``labels`` (its parts).

    Args:
        parameters: The cohort.
        registered: ``True``: contrasts share the BraTS archive's grid and are skull-stripped. ``False``: as from the
            scanner.
        out_dir: Folder of the cohort; the truth is written beside it, in ``<out_dir>-truth``.
        workers: Number of processes; each uses one thread and up to 2 GB (at 1 mm).

    Returns:
        One row per written scan: subject, patient, session, site, modality, path (below ``out_dir``), shape,
        spacing_mm, orientation.

    Raises:
        InputError: If the folder holds scans that are not the phantom's, or a registered ReMIND is wanted.
    """
    if registered and parameters.layout == "remind":
        problem = "the ReMIND phantom is as from the scanner: its scans share no grid"
        raise InputError("cohort.registered=true", problem, "Leave it at auto, or choose phantom.layout=brats")
    out_dir = Path(out_dir)
    members = [enrol(parameters, number) for number in range(parameters.n_subjects)]
    _refuse_foreign_scans(out_dir, members)
    _remove_strangers(out_dir, members)

    wanted = _fingerprint(parameters, registered)
    rows = {member.number: _finished_rows(out_dir, member, wanted) for member in members}
    pending = [number for number, finished in rows.items() if finished is None]
    jobs = _run(parameters, registered, out_dir, pending, workers)
    for number, written in tqdm(jobs, total=len(pending), desc="Phantom subjects", disable=not pending):
        rows[number] = written
    return pd.DataFrame([row for member in members for row in rows[member.number]])


def _run(
    parameters: PhantomParameters, registered: bool, out_dir: Path, numbers: list[int], workers: int
) -> Iterator[tuple[int, list[dict]]]:
    """Fabricate subjects in this process or in a pool; yields each as it is done."""
    if min(workers, len(numbers)) <= 1:
        for number in numbers:
            yield number, fabricate_subject(parameters, registered, out_dir, number)
        return
    with ProcessPoolExecutor(min(workers, len(numbers)), mp_context=get_context("spawn")) as pool:
        jobs = {pool.submit(fabricate_subject, parameters, registered, out_dir, n): n for n in numbers}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, do not work through the rest


def fabricate_subject(parameters: PhantomParameters, registered: bool, out_dir: Path, number: int) -> list[dict]:
    """Simulate one subject and write its scans and truth.

    The marker in the truth folder names the files before they are written and is completed after the last one: what a
    killed run leaves is known and replaced.

    Args:
        parameters: The cohort.
        registered: Whether scans come aligned and skull-stripped.
        out_dir: Folder of the cohort.
        number: Position of the subject in the cohort.

    Returns:
        One row per written scan, as in `fabricate_cohort`.
    """
    enrolment = enrol(parameters, number)
    truth = truth_dir(out_dir) / enrolment.subject
    _remove_subject(out_dir, truth)
    with threadpool_limits(1):  # workers are the parallelism; small matrix products gain nothing from threads
        simulated = simulate_subject(parameters, registered, enrolment)
    files = {
        modality: (np.round(scan.values).clip(0, 32767).astype(np.int16), scan.grid.affine)
        for modality, scan in simulated.scans.items()
    }
    affine = simulated.reference_grid.affine
    if simulated.segmentation is not None:
        files[SEGMENTATION] = (simulated.segmentation, affine)
    shipped = {}
    if parameters.layout == "remind":
        files[ULTRASOUND] = (
            simulated.scans[ULTRASOUND].values.astype(np.uint8),
            simulated.scans[ULTRASOUND].grid.affine,
        )
        files[SEGMENTATION] = ((simulated.segmentation > 0).astype(np.uint8), affine)  # one outline for all of it
        shipped = _shipped_transforms(simulated, enrolment)
    rows = [_row(enrolment, modality, *content) for modality, content in files.items()]
    marker = {
        "complete": False,
        "fingerprint": _fingerprint(parameters, registered),
        "scans": rows,
        "transforms": list(shipped),
    }
    write_marker(truth, marker)
    for modality, content in files.items():
        write = write_nrrd if parameters.layout == "remind" else write_nifti
        write(out_dir / enrolment.scan_path(modality), *content)
    for path, matrix in shipped.items():
        write_transform(out_dir / path, matrix)
    write_nifti(truth / "brain.nii.gz", simulated.brain, affine)
    if parameters.layout == "remind":
        write_nifti(truth / "labels.nii.gz", simulated.segmentation, affine)
    for name, share in simulated.tissues.items():
        write_nifti(truth / f"{name}.nii.gz", np.round(share * 255).astype(np.uint8), affine, slope=1 / 255)
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


def _shipped_transforms(simulated: SimulatedSubject, enrolment: Enrolment) -> dict[str, np.ndarray]:
    """Path below the cohort's folder → matrix that takes points of the moving scan to the reference's (RAS, mm).

    As in ReMIND: every MR scan leads to one MR scan, and that one to the ultrasound, even where it was left out itself.
    """
    hub, to_scan = simulated.reference, simulated.transforms
    steps = [(hub, modality) for modality in simulated.scans if modality not in (hub, ULTRASOUND)]
    return {
        enrolment.transform_path(reference, moving): to_scan[reference] @ np.linalg.inv(to_scan[moving])
        for reference, moving in [*steps, (ULTRASOUND, hub)]
    }


def _fingerprint(parameters: PhantomParameters, registered: bool) -> str:
    """Digest of all a subject's files depend on: everything but the size of the cohort and who makes it."""
    content = parameters.model_dump(mode="json", exclude={"n_subjects", "workers"})
    if parameters.lesions:
        del content["lesions"]  # patients that were made before this could be chosen are the same ones
    return fingerprint({**content, "registered": registered, "version": _VERSION})


def _finished_rows(out_dir: Path, enrolment: Enrolment, wanted: str) -> list[dict] | None:
    """Rows of a subject that is complete on disk for the wanted fingerprint; ``None`` if it is not."""
    marker = read_marker(truth_dir(out_dir) / enrolment.subject)
    if marker is None or not marker["complete"] or marker["fingerprint"] != wanted:
        return None
    if not all((out_dir / path).is_file() for path in _paths(marker)):
        return None
    return marker["scans"]


def _refuse_foreign_scans(out_dir: Path, members: list[Enrolment]) -> None:
    """Stop before phantoms are mixed with somebody's scans."""
    known = {out_dir / member.scan_path(m) for member in members for m in member.file_names}
    for folder in truth_dir(out_dir).glob("*"):
        known |= {out_dir / path for path in _paths(read_marker(folder) or {"scans": []})}
    foreign = sorted(set(scan_paths(out_dir)) - known) if out_dir.is_dir() else []
    if foreign:
        problem = f"holds {len(foreign)} scans that are not the phantom's, {foreign[0].name} the first"
        raise InputError(out_dir, problem, "Choose an empty folder for the phantom cohort.")


def _remove_strangers(out_dir: Path, members: list[Enrolment]) -> None:
    """Remove subjects of an earlier phantom that are not in this one."""
    names = {member.subject for member in members}
    for folder in truth_dir(out_dir).glob("*"):
        if folder.name not in names:
            _remove_subject(out_dir, folder)


def _remove_subject(out_dir: Path, truth: Path) -> None:
    """Delete what an earlier run wrote for a subject, and nothing else."""
    marker = read_marker(truth)
    if marker is None:
        return
    for path in (out_dir / path for path in _paths(marker)):
        for leftover in (path, *path.parent.glob(f".{path.name}.*.partial")):
            leftover.unlink(missing_ok=True)
        for folder in path.relative_to(out_dir).parents[:-1]:
            if (out_dir / folder).is_dir() and not any((out_dir / folder).iterdir()):
                (out_dir / folder).rmdir()
    shutil.rmtree(truth)


def _paths(marker: dict) -> list[str]:
    """All that lies in the cohort's folder of a subject, below it."""
    return [*(row["path"] for row in marker["scans"]), *marker.get("transforms", [])]


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
