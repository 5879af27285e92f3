"""What is left of a misalignment once the pipeline's own registration has been in front of the method."""

import logging
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from mrisynth_pipeline.evaluation.misalignment import motion_of, voxel_spacing
from mrisynth_pipeline.evaluation.parameters import RobustnessParameters
from mrisynth_pipeline.imaging.geometry import image_on
from mrisynth_pipeline.imaging.parallel import run_jobs
from mrisynth_pipeline.imaging.parameters import RegistrationParameters
from mrisynth_pipeline.imaging.registration.search import Registration
from mrisynth_pipeline.imaging.rigid_motion import RigidMotion, mean_displacement_mm
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.misalignment import ROTATION_COLUMNS, TRANSLATION_COLUMNS, TRANSLATION_PIXELS

logger = logging.getLogger(__name__)


def register_cases(
    cases: pd.DataFrame,
    store: SubjectStore,
    parameters: RobustnessParameters,
    registration: RegistrationParameters,
) -> pd.DataFrame:
    """The cases as they are, and once more with what is left of their motion after registration.

    The moved contrast is registered rigidly onto one that held still, as preprocessing does, and the case's motion is
    replaced by what is left of it: that is applied to the prepared volume in one interpolation, as preprocessing
    resamples once. Shifts in the plane stay as they are: they stand for what a 2D method meets.

    Prepared volumes are skull-stripped and the edge of their mask moves along: registration has an easier time than
    with scans as they come, so what is left is a lower bound.

    Args:
        cases: From :func:`~mrisynth_pipeline.evaluation.misalignment.draw_cases`.
        store: The subject files.
        parameters: Whether to register at all, and over how many processes.
        registration: How the cohort was registered.

    Returns:
        The cases with ``residual_mm``, by how much the voxels of the brain are misplaced on average, followed, per
        subject, by the registered ones (``registered`` true). A subject that fails is reported and left out.

    Raises:
        RuntimeError: If all subjects fail.
    """
    settings = registration.model_copy(update={"transform": "rigid", "check_mirrored": False})
    parts = [part for _, part in cases.groupby("subject", sort=False)]
    job = partial(_measured_and_registered, store, settings if parameters.registration else None)
    done, failures = {}, []
    workers = (parameters.workers or os.cpu_count() or 1) if parameters.registration else 1
    for position, rows, failure in tqdm(
        run_jobs(job, parts, workers), total=len(parts), desc="Registering misaligned inputs", unit="subject"
    ):
        if failure:
            subject = parts[position]["subject"].iloc[0]
            logger.error("The inputs of subject %s cannot be misaligned, it is left out: %s", subject, failure)
            failures.append(f"{subject}: {failure}")
        else:
            done[position] = rows
    if not done:
        raise RuntimeError("no test subject's inputs could be misaligned: " + "; ".join(failures[:3]))
    return pd.concat([done[position] for position in sorted(done)], ignore_index=True)


def _measured_and_registered(
    store: SubjectStore, settings: RegistrationParameters | None, cases: pd.DataFrame
) -> pd.DataFrame:
    """One subject's cases, measured, and registered if there are settings (runs inside a worker)."""
    file = store.open(str(cases["subject"].iloc[0]))
    mask, spacing = file.mask(), voxel_spacing(file)
    rows = cases.to_dict("records")
    found = [row | {"residual_mm": mean_displacement_mm(motion_of(row), mask, spacing)} for row in rows]
    if settings is not None:
        realigned = _Realignment(file, settings)
        for row in rows:
            if row["kind"] != TRANSLATION_PIXELS:
                left = realigned(row)
                motion = dict(zip(TRANSLATION_COLUMNS, left.translation, strict=True))
                motion |= dict(zip(ROTATION_COLUMNS, left.rotation, strict=True))
                residual = {"residual_mm": mean_displacement_mm(left, mask, spacing)}
                found.append(row | {"registered": True} | motion | residual)
    return pd.DataFrame(found)


class _Realignment:
    """Registers displaced contrasts of one subject; what was done for one case serves its like.

    Points are (x, y, z) in mm along the grid's axes, as in :mod:`mrisynth_pipeline.imaging.rigid_motion`.
    """

    def __init__(self, file: SubjectFile, settings: RegistrationParameters) -> None:
        self._volumes, self._spacing = file.volumes(), voxel_spacing(file)
        self._modalities = list(file.metadata["modalities"])
        self._reference = file.metadata["reference"]
        self._mask = self._image(file.mask().astype(np.uint8))
        self._settings = settings
        self._registrations: dict[str, Registration] = {}
        self._found: dict[tuple, RigidMotion] = {}

    def __call__(self, case: Mapping[str, Any]) -> RigidMotion:
        """What is left of a case's motion."""
        still = [name for name in case["inputs"].split("+") if name != case["moved"]]
        fixed = self._reference if self._reference in still else still[0]
        motion = motion_of(case)
        key = (case["moved"], fixed, motion)
        if key not in self._found:
            self._found[key] = self._left(case["moved"], fixed, motion)
        return self._found[key]

    def _left(self, moved: str, fixed: str, motion: RigidMotion) -> RigidMotion:
        if fixed not in self._registrations:
            image = self._image(self._volumes[self._modalities.index(fixed)])
            self._registrations[fixed] = Registration(image, self._mask, self._settings)
        volume = torch.from_numpy(self._volumes[self._modalities.index(moved)])
        displaced = self._image(motion.applied(volume, self._spacing).numpy())
        shape = volume.shape
        # The motion carries a point u to A·u, registration finds it at T·p: so u ends up at p = T⁻¹·A·u.
        found = self._registrations[fixed].align(displaced).matrix
        return RigidMotion.of_matrix(np.linalg.inv(found) @ motion.matrix(shape, self._spacing), shape, self._spacing)

    def _image(self, voxels: NDArray) -> sitk.Image:
        return image_on(voxels, np.diag([*reversed(self._spacing), 1.0]))
