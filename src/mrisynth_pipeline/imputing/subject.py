"""One subject: from its scans to imputed volumes with their expected errors and what to think of them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, DISPLAY_NAMES
from mrisynth_pipeline.evaluation.description import describe_subject
from mrisynth_pipeline.imaging.geometry import Grid, image_on, resample
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import Subject
from mrisynth_pipeline.imputing.parameters import HowToImpute
from mrisynth_pipeline.imputing.ready_model import ReadyModel
from mrisynth_pipeline.imputing.trust import MANY_NOTES, Finding, Light, Trust, judge, summary_sentence, worst
from mrisynth_pipeline.metrics.image import volume_scores
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.doubt import spread_volume
from mrisynth_pipeline.models.planes import impute_in_planes, uses_three_planes


@dataclass(frozen=True)
class ImputedContrast:
    """One imputed contrast on the model grid."""

    volume: Float[NDArray, "z y x"]
    """In [0, 1], 0 outside the mask."""
    expected_error: Float[NDArray, "z y x"] | None
    """Expected absolute error in the same unit; ``None`` where nobody has calibrated the model for it."""
    trust: Trust
    truth: Float[NDArray, "z y x"] | None = None
    """The real contrast in [0, 1], where it is there and was not shown to the model."""
    scores: Mapping[str, float] | None = None
    """What :func:`~mrisynth_pipeline.metrics.image.volume_scores` says of it beside the truth."""


@dataclass(frozen=True)
class ImputedSubject:
    """All that is known of one subject after imputing."""

    subject: Subject
    """Prepared: volumes of what the model was shown, mask, and the way back to native space."""
    inputs: tuple[str, ...]
    """Contrasts that the model was shown."""
    imputed: Mapping[str, ImputedContrast]
    findings: tuple[Finding, ...]
    seconds: Mapping[str, float]
    """Wall seconds by step."""

    @property
    def light(self) -> Light:
        """The worst of the imputed contrasts' lights."""
        return worst(each.trust.light for each in self.imputed.values())

    @property
    def summary(self) -> str:
        """One or two sentences for a person who reads nothing else."""
        return summary_sentence(self.inputs, {name: each.trust for name, each in self.imputed.items()}, self.findings)


def plan(subject: str, present: Sequence[str], model: ReadyModel, how: HowToImpute) -> tuple[list[str], list[str]]:
    """What the model is shown, and what it imputes.

    Args:
        subject: Whose scans.
        present: Contrasts that are there; those that the model does not know are not used.
        model: Which contrasts it knows, and which of them it was made to impute.
        how: Which are asked for.

    Returns:
        Inputs and targets, in channel order; no targets if nothing is missing and nothing is asked for.

    Raises:
        InputError: Nothing that the model knows is there to be shown, or it cannot impute what is asked for.
    """
    known = model.modalities
    about = f"the model {model.name} knows {', '.join(known)}"
    if how.to and (strangers := [name for name in how.to if name not in known]):
        raise InputError(subject, f"{', '.join(strangers)} cannot be imputed: {about}", "Use a model that knows it")
    targets = [name for name in known if (name in how.to if how.to else name not in present)]
    inputs = [name for name in known if name in present and name not in targets]
    if not inputs:
        there = f"{', '.join(present)} there" if present else "no usable scan there"
        raise InputError(
            subject, f"{there}, nothing to impute {', '.join(targets)} from: {about}", "Add a scan of these"
        )
    available = torch.tensor([name in inputs for name in known])
    covered = [name for name in targets if model.method.covers(available, known.index(name))]
    if (how.to and covered != targets) or (targets and not covered):
        problem = f"{model.name} was not made to impute {', '.join(targets)} from {', '.join(inputs)}"
        raise InputError(subject, problem, "Use a model that was, such as codebrain")
    return inputs, covered


def impute_subject(
    subject: str,
    scans: Mapping[str, ScanSource],
    registered: bool,
    model: ReadyModel,
    how: HowToImpute,
    told: Sequence[Finding] = (),
) -> ImputedSubject:
    """Impute what one subject lacks.

    Args:
        subject: Identifier.
        scans: Contrast → file, and a brain mask if there is one. Contrasts that are asked for are never shown.
        registered: The scans share one grid and are skull-stripped.
        model: The imputer.
        how: What is asked for, and how.
        told: What is known of the scans before.

    Returns:
        Volumes on the model grid, and what is thought of them.

    Raises:
        InputError: A scan cannot be used, or the model cannot impute what is asked for.
    """
    clock = _Clock()
    contrasts = [name for name in scans if name in DISPLAY_NAMES]
    inputs, targets = plan(subject, contrasts, model, how)
    if how.like and how.like not in inputs:
        problem = f"has no {how.like} among its inputs ({', '.join(inputs)}) to take the voxels of"
        raise InputError(subject, problem, "Choose one of these as like")
    shown = {name: scans[name] for name in (*inputs, BRAIN_MASK) if name in scans}
    prepared = preprocess_subject(subject, shown, model.modalities, model.preprocessing, registered, model.standard)
    clock.lap("prepare")
    volumes, mask = torch.from_numpy(prepared.volumes.astype(np.float32)), prepared.mask
    available = torch.tensor(prepared.present)
    spacing = model.preprocessing.grid.spacing_mm
    method = model.method.to(usable_device(how.device))
    made = impute_in_planes(method, volumes, available, how.planes, spacing, how.batch_size)
    clock.lap("impute")
    spread = spread_volume(method, volumes, available, how.n_samples, how.batch_size) if how.doubt else None
    clock.lap("doubt")
    findings = (*told, *_findings(prepared, model, method, how))
    clock.lap("compare with training scans")
    truths = _truths(subject, scans, targets, prepared, registered, model)
    imputed = {}
    for name in targets:
        channel = model.modalities.index(name)
        volume = np.where(mask, made[channel].numpy(), 0.0).astype(np.float32)
        error, expected, typical, uniform = None, None, None, None
        if spread is not None and model.expected_error is not None and model.expected_error.covers(name):
            error = model.expected_error.apply(
                name, volume, spread[channel].numpy(), volumes.numpy(), available.numpy(), mask, spacing
            )
            expected, uniform = float(error[mask].mean()), model.expected_error.uniform(name)
            typical = model.expected_error.typical(name)
        trust, truth = judge(name, expected, typical, uniform, findings), truths.get(name)
        imputed[name] = ImputedContrast(volume, error, trust, truth, _scores(volume, truth, mask))
    clock.lap("judge")
    return ImputedSubject(prepared, tuple(inputs), imputed, findings, clock.seconds)


def _findings(prepared: Subject, model: ReadyModel, method: Any, how: HowToImpute) -> list[Finding]:
    """What a person should know: how preparing went, and whether the scans are like the training cohort's."""
    found = []
    if model.synthetic:
        sentence = "The model has been trained on computed phantoms alone: on patients its images prove nothing"
        found.append(Finding("warning", "", f"{sentence}."))
    for sentence in filter(None, str(prepared.quality.get("warnings", "")).split("; ")):
        found.append(Finding("warning", "", f"{sentence[0].upper()}{sentence[1:]}."))
    if how.doubt and model.calibrated_planes is not None:
        spacing = model.preprocessing.grid.spacing_mm
        three, were_three = (
            uses_three_planes(method, planes, spacing) for planes in (how.planes, model.calibrated_planes)
        )
        if three != were_three:
            ways = ("axial slices", "three planes") if were_three else ("three planes", "axial slices")
            sentence = f"Imputed in {ways[0]}, while the expected error is that of {ways[1]}: it may differ"
            found.append(Finding("note", "", f"{sentence}."))
    if model.familiarity is None:
        sentence = "Whether these scans look like those that the model was trained on is not known: it is no package"
        return [*found, Finding("note", "", f"{sentence}.")]
    description = describe_subject(prepared.volumes, prepared.mask, prepared.metadata(), method, how.batch_size)
    strange = model.familiarity.compare(description)
    notes = sum(each.severity == "note" for each in strange)
    if notes >= MANY_NOTES:
        sentence = f"{notes} small differences from the training scans, each no cause for alarm, add up"
        found.append(Finding("warning", "", f"{sentence}: these scans are of another kind."))
    return found + [Finding(each.severity, each.contrast, each.sentence) for each in strange]


def _truths(
    subject: str,
    scans: Mapping[str, ScanSource],
    targets: Sequence[str],
    prepared: Subject,
    registered: bool,
    model: ReadyModel,
) -> dict[str, NDArray[np.float32]]:
    """Those targets that are there after all, on the grid of what was shown; nothing of them has been used for it."""
    withheld = [name for name in targets if name in scans]
    if not withheld:
        return {}
    others = [name for name in model.preprocessing.reference_preference if name != prepared.reference]
    parameters = model.preprocessing.model_copy(update={"reference_preference": (prepared.reference, *others)})
    everything = {name: scans[name] for name in scans if name in (*model.modalities, BRAIN_MASK)}
    whole = preprocess_subject(subject, everything, model.modalities, parameters, registered, model.standard)
    size = prepared.mask.shape[::-1]
    grid = Grid(size, np.asarray(prepared.grid_affine))
    truths = {}
    for name in withheld:
        volume = whole.volumes[model.modalities.index(name)].astype(np.float32)
        if not grid.matches(Grid(whole.mask.shape[::-1], np.asarray(whole.grid_affine)), 1e-3):
            volume = resample(image_on(volume, whole.grid_affine), grid)
        truths[name] = np.where(prepared.mask, volume, 0.0).astype(np.float32)
    return truths


def _scores(
    volume: NDArray[np.float32], truth: NDArray[np.float32] | None, mask: NDArray[np.bool_]
) -> dict[str, float] | None:
    if truth is None:
        return None
    return volume_scores(torch.from_numpy(volume), torch.from_numpy(truth), torch.from_numpy(mask))


class _Clock:
    """Wall seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step], self._last = round(now - self._last, 2), now
