"""The standard histogram of Nyúl and Udupa, learned on training subjects alone."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.cohort import SubjectTask, check_programs, subject_tasks
from mrisynth_pipeline.imaging.intensity_methods import nyul
from mrisynth_pipeline.imaging.parallel import run_jobs
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters

logger = logging.getLogger(__name__)

_DECIMALS = 6  # finer differences change no voxel of a file but would make every file anew


def learn_standard(
    manifest: pd.DataFrame,
    training: Sequence[str],
    parameters: PreprocessingParameters,
    modalities: Sequence[str],
) -> dict[str, Any]:
    """Learn where the landmarks of each contrast's histogram lie in the mean of some training subjects.

    Each subject is prepared as it will be for its file (registered, masked, resampled), so that its landmarks are
    those that its map will start from. Other subjects are not looked at: what is learned here enters every file,
    and test subjects must not speak in it.

    Args:
        manifest: One row per scan.
        training: Identifiers of the training subjects.
        parameters: How subjects are prepared; ``intensity.standard_subjects`` of the training subjects are asked.
        modalities: Channel order of the study.

    Returns:
        JSON-ready: ``percentiles`` of the landmarks, ``scale`` (contrast → what they become, from 0 to 1), and the
        ``subjects`` asked.

    Raises:
        InputError: No training subject can be prepared.
    """
    usable = [
        task
        for task in subject_tasks(manifest, parameters, tuple(modalities), {})
        if task.subject in set(training) and not task.obstacle
    ]
    count = min(len(usable), parameters.intensity.standard_subjects)
    tasks = [usable[place] for place in np.linspace(0, len(usable) - 1, count).round().astype(int)]
    check_programs(tasks, parameters)
    found: dict[int, dict[str, list[float]]] = {}
    outcomes = run_jobs(landmarks, tasks, parameters.workers or os.cpu_count() or 1, parameters.scheduler)
    for position, scales, failure in tqdm(outcomes, total=len(tasks), desc="Intensity standard", disable=not tasks):
        if scales is None:
            logger.warning("The intensity standard goes without subject %s: %s", tasks[position].subject, failure)
        else:
            found[position] = scales
    if not found:
        raise InputError(
            "preprocessing.intensity.method: nyul",
            f"none of {len(tasks)} training subjects could be prepared to learn the standard from",
            "See the warnings above, and the split's training part",
        )
    asked = [found[position] for position in sorted(found)]  # in one order, that the sum's last digit may not vary
    scale = {}
    for name in modalities:
        members = [scales[name] for scales in asked if name in scales]
        if members:
            scale[name] = np.mean(members, axis=0).round(_DECIMALS).tolist()
    return {
        "percentiles": nyul(parameters.intensity).percentiles.tolist(),
        "scale": scale,
        "subjects": [tasks[position].subject for position in sorted(found)],
    }


def landmarks(task: SubjectTask) -> dict[str, list[float]]:
    """One subject's landmarks per contrast, the first as 0 and the last as 1 (runs inside a worker).

    The linear map between those two percentiles changes nothing about where the others lie between them, so the
    subject is prepared with it and the landmarks are read off the result.

    Raises:
        InputError: A scan cannot be used.
    """
    from intensity_normalization.adapters.images import NumpyImageAdapter
    from intensity_normalization.domain.exceptions import NormalizationError

    linear = task.parameters.intensity.model_copy(update={"method": "percentile"})
    parameters = task.parameters.model_copy(update={"intensity": linear, "storage": "float32"})
    subject = replace(task, parameters=parameters).prepare()
    scales = {}
    for name, present, volume in zip(subject.modalities, subject.present, subject.volumes, strict=True):
        if present:
            try:
                learned = nyul(linear).fit(NumpyImageAdapter(volume), NumpyImageAdapter(subject.mask)).standard_scale
            except NormalizationError:  # a constant foreground has no histogram to learn from
                continue
            scales[name] = learned.tolist()
    return scales
