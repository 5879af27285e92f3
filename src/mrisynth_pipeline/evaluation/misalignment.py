"""What misalignment of one input costs a method: the cases, the same for all, and their scores.

One available contrast is moved rigidly, the others and the truth stay. What a method makes of that is scored against
the unmoved truth. Shifts and turns in space are interpolated linearly, as a registered scan is, and that blur is part
of what they cost; shifts by whole pixels are not, and cost misalignment alone.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.harness import Covers, Predict
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, RobustnessParameters
from mrisynth_pipeline.imaging.rigid_motion import RigidMotion
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.image import TrueVolume
from mrisynth_pipeline.metrics.misalignment import (
    NONE,
    ROTATION_COLUMNS,
    ROTATION_DEG,
    TRANSLATION_COLUMNS,
    TRANSLATION_MM,
    TRANSLATION_PIXELS,
)
from mrisynth_pipeline.sampling.availability import parse_subset, subset_name
from mrisynth_pipeline.sampling.slices import SliceWindows, brain_slices

logger = logging.getLogger(__name__)

_IN_PLANE = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))


def draw_cases(
    subjects: Sequence[str],
    modalities: tuple[str, ...],
    parameters: RobustnessParameters,
    spacing: Sequence[float],
) -> pd.DataFrame:
    """Which contrast of whom is moved how far, and which way.

    The motion depends on the seed, the subject's name, kind, amount and repeat alone: every method, every training
    of it, and a larger study that contains the subject see the same. Which contrast moves is shuffled per subject,
    kind, amount and target; repeats go through that order, so that all contrasts move about equally often.

    Args:
        subjects: Whom; they have every contrast.
        modalities: Contrasts in channel order.
        parameters: Kinds, amounts, repeats, inputs, seed.
        spacing: Voxel size (z, y, x) of the model grid in mm.

    Returns:
        One row per subject, kind, amount, repeat and target: ``subject``, ``kind`` (of
        :mod:`mrisynth_pipeline.metrics.misalignment`), ``amount``, ``repeat``, ``inputs``, ``target``, ``moved``
        (the contrast), ``registered`` (False) and the motion, ``translation_z`` … (voxels), ``rotation_z`` …
        (radians). Kind ``none``, amount 0, is the reference.

    Raises:
        InputError: Fewer than two contrasts would be given, or the inputs name none of the study's.
    """
    scenarios = _scenarios(parameters.inputs, modalities)
    rows = []
    for subject in list(subjects)[: parameters.subjects]:
        for kind, amount, repeat in _amounts(parameters):
            motion = _draw_motion(kind, amount, spacing, _generator(parameters.seed, subject, kind, amount, repeat))
            for given, target in scenarios:
                order = _generator(parameters.seed, subject, kind, amount, target).permutation(given)
                rows.append(
                    {"subject": subject, "kind": kind, "amount": amount, "repeat": repeat}
                    | {"inputs": "+".join(given), "target": target, "moved": str(order[repeat % len(order)])}
                    | {"registered": False}
                    | dict(zip(TRANSLATION_COLUMNS, motion.translation, strict=True))
                    | dict(zip(ROTATION_COLUMNS, motion.rotation, strict=True))
                )
    return pd.DataFrame(rows)


def covered_cases(cases: pd.DataFrame, modalities: tuple[str, ...], covers: Covers) -> pd.DataFrame:
    """The cases in which a method is asked for what it was made for (see the harness)."""
    pairs = zip(cases["inputs"], cases["target"], strict=True)
    asked = [covers(parse_subset(inputs, modalities), modalities.index(target)) for inputs, target in pairs]
    return cases[np.asarray(asked, dtype=bool)]


def score_misaligned(
    name: str,
    predict: Predict,
    store: SubjectStore,
    cases: pd.DataFrame,
    modalities: tuple[str, ...],
    parameters: EvaluationParameters,
    windows: SliceWindows,
) -> pd.DataFrame:
    """Score a method on every case; a subject on which it fails is reported and left out.

    Args:
        name: Name of the method in the table.
        predict: The method.
        store: The subject files.
        cases: From :func:`draw_cases` or :func:`~mrisynth_pipeline.evaluation.realignment.register_cases`.
        modalities: Contrasts in channel order.
        parameters: Which slices count.
        windows: See :data:`~mrisynth_pipeline.sampling.slices.SliceWindows`.

    Returns:
        One row per case: ``method``, the case's columns, ``n_inputs``, and the scores of both protocols.

    Raises:
        RuntimeError: If it fails on every subject.
    """
    rows, failures = [], []
    with tqdm(total=len(cases), desc=f"Misaligning inputs of {name}", unit="case") as bar:
        for subject, part in cases.groupby("subject", sort=False):
            try:
                file = store.open(subject)
                rows += _score_subject(name, predict, file, part, modalities, parameters, windows.get(subject))
            except Exception as error:
                logger.exception("%s failed on subject %s: it is left out of the method's rows", name, subject)
                failures.append(f"{subject}: {error}")
            bar.update(len(part))
    if not rows:
        raise RuntimeError(f"{name} failed on every test subject: " + "; ".join(failures[:3]))
    return pd.DataFrame(rows)


def displaced_inputs(
    volumes: Float[Tensor, "modality z y x"],
    case: Mapping[str, Any],
    modalities: tuple[str, ...],
    spacing: Sequence[float],
) -> Float[Tensor, "modality z y x"]:
    """The volumes with the one contrast of a case moved.

    Args:
        volumes: As prepared, in [0, 1].
        case: A row of the cases (``cases.to_dict("records")``).
        modalities: Contrasts in channel order.
        spacing: Voxel size (z, y, x) in mm.
    """
    displaced = volumes.clone()
    channel = modalities.index(case["moved"])
    displaced[channel] = motion_of(case).applied(volumes[channel], spacing)
    return displaced


def motion_of(case: Mapping[str, Any]) -> RigidMotion:
    """The motion in a row of the cases."""
    return RigidMotion(
        tuple(float(case[column]) for column in TRANSLATION_COLUMNS),
        tuple(float(case[column]) for column in ROTATION_COLUMNS),
    )


def voxel_spacing(file: SubjectFile) -> tuple[float, float, float]:
    """Voxel size (z, y, x) of a subject's grid in mm."""
    affine = np.asarray(file.metadata["grid_affine"], dtype=float)
    return tuple(np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist())


def _score_subject(
    name: str,
    predict: Predict,
    file: SubjectFile,
    cases: pd.DataFrame,
    modalities: tuple[str, ...],
    parameters: EvaluationParameters,
    window: Sequence[int] | None,
) -> list[dict]:
    """Every case of one subject; cases with the same inputs, moved alike, are imputed once for all targets."""
    volumes, mask, spacing = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask()), voxel_spacing(file)
    slices = brain_slices(file.mask(), parameters.minimum_brain_area, window)
    there = {modality for modality, present in zip(modalities, file.present, strict=True) if present}
    truth = {target: TrueVolume(volumes[modalities.index(target)], mask, slices) for target in cases["target"].unique()}
    rows = []
    motion_columns = [*TRANSLATION_COLUMNS, *ROTATION_COLUMNS]
    for _, alike in cases.groupby(["inputs", "moved", *motion_columns], sort=False):
        records = alike.to_dict("records")
        available = parse_subset(records[0]["inputs"], modalities)
        if lacking := {*records[0]["inputs"].split("+"), *alike["target"]} - there:
            raise ValueError(f"was never scanned with {', '.join(sorted(lacking))}")
        imputed = predict(displaced_inputs(volumes, records[0], modalities, spacing), available)
        for case in records:
            about = {key: value for key, value in case.items() if key not in motion_columns}
            scores = truth[case["target"]].score(imputed[modalities.index(case["target"])])
            rows.append({"method": name} | about | {"n_inputs": int(available.sum())} | scores)
    return rows


def _scenarios(inputs: str, modalities: tuple[str, ...]) -> list[tuple[list[str], str]]:
    """What is given and what is asked for."""
    remedy = "Name at least two of them in robustness.inputs, as in t1+t2, and leave one out"
    if not inputs:
        scenarios = [([m for m in modalities if m != target], target) for target in modalities]
    else:
        try:
            available = parse_subset(inputs, modalities).tolist()
        except ValueError as error:
            raise InputError("robustness.inputs", str(error), remedy) from error
        given = subset_name(available, modalities).split("+")
        scenarios = [(given, target) for target in modalities if target not in given]
    if len(scenarios[0][0]) < 2:
        raise InputError(
            "robustness.inputs",
            f"only {scenarios[0][0][0]} would be given: with nothing that holds still, nothing is misaligned",
            remedy if len(modalities) > 2 else "Add a third contrast to cohort.modalities",
        )
    return scenarios


def _amounts(parameters: RobustnessParameters) -> Iterator[tuple[str, float, int]]:
    """Every (kind, amount, repeat), the reference first."""
    yield NONE, 0.0, 0
    amounts = {
        TRANSLATION_PIXELS: parameters.translations_pixels,
        TRANSLATION_MM: parameters.translations_mm,
        ROTATION_DEG: parameters.rotations_deg,
    }
    for kind, values in amounts.items():
        for amount in values:
            for repeat in range(parameters.repeats):
                yield kind, amount, repeat


def _draw_motion(kind: str, amount: float, spacing: Sequence[float], generator: np.random.Generator) -> RigidMotion:
    """A motion of some kind and size, in a random direction."""
    if kind == TRANSLATION_PIXELS:
        y, x = (amount * sign for sign in _IN_PLANE[generator.integers(len(_IN_PLANE))])
        return RigidMotion((0.0, y, x))
    direction = generator.normal(size=3)
    direction /= np.linalg.norm(direction)
    if kind == TRANSLATION_MM:
        return RigidMotion(tuple((amount * direction / np.asarray(spacing, dtype=float)).tolist()))
    if kind == ROTATION_DEG:
        turn = Rotation.from_rotvec(amount * direction, degrees=True)
        return RigidMotion(rotation=tuple(turn.as_euler("ZYX").tolist()))
    return RigidMotion()


def _generator(*key: str | float) -> np.random.Generator:
    """Random numbers that depend on the words alone, on every machine."""
    return np.random.default_rng(list(hashlib.sha256(repr(key).encode()).digest()))
