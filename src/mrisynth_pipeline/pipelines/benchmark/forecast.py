"""About how long the benchmark will take, measured on this machine before it starts."""

import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.exam import Exam
from mrisynth_pipeline.evaluation.harness import through_the_door
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.pipelines.benchmark.contest import LIMITS, Contest
from mrisynth_pipeline.pipelines.study import untracked
from mrisynth_pipeline.pipelines.trials import Trial, is_trained, threads_of

logger = logging.getLogger(__name__)

_FEW_STEPS, _MORE_STEPS = 2, 8
"""Steps of the shortest part of a training in the two tries; what they differ by is the time of steps alone."""


def forecast(contest: Contest, trials: Sequence[Trial], exam: Exam, folder: Path) -> dict[str, float]:
    """Seconds that each contestant's open trials will take, from a few steps of one training and one subject's exam.

    A method that fails here is left to fail in its trial; what the user must mend is said now.

    Args:
        contest: What is to be done.
        trials: Those that have not been done.
        exam: Of one fold; its first subject is tried.
        folder: Of all trials: of a finished training only the examination is left.

    Returns:
        Contestant → seconds, of those that have open trials.

    Raises:
        InputError: A training came upon something that the user must mend.
    """
    seconds: dict[str, float] = {}
    before = torch.get_num_threads()
    torch.set_num_threads(threads_of(contest.parameters.workers))  # as it will be
    for name in dict.fromkeys(trial.variant for trial in trials if trial.variant != LIMITS):
        own = [trial for trial in trials if trial.variant == name]
        to_train = sum(not is_trained(trial, folder) for trial in own)
        logger.info("Forecast: a few steps of %s", name)
        try:
            training, examination = _tried(contest, name, exam)
        except InputError:
            raise
        except Exception as error:
            logger.warning("No forecast for %s: %s", name, error)
            continue
        seconds[name] = to_train * training + len(own) * examination
    torch.set_num_threads(before)
    return seconds


def _tried(contest: Contest, name: str, exam: Exam) -> tuple[float, float]:
    """Seconds of one whole training, and of the whole examination."""
    steps = _steps(contest.options(name, 0, 1.0))
    shares = [min(few / min(steps), 1.0) if steps else 1.0 for few in (_FEW_STEPS, _MORE_STEPS)]
    spent, model = [], None
    for share in shares if steps else shares[:1]:
        with tempfile.TemporaryDirectory() as folder, untracked():
            start = time.perf_counter()
            model = contest.train(name, contest.options(name, 0, share), contest.folds()[0], Path(folder), name)
            spent.append(time.perf_counter() - start)
    training = spent[0]
    if len(spent) == 2 and shares[1] > shares[0]:
        per_share = max(spent[1] - spent[0], 0.0) / (shares[1] - shares[0])
        training += max(contest.parameters.steps_share - shares[0], 0.0) * per_share
    method = model.network.to(usable_device(contest.evaluation.device))
    one = replace(exam, subjects=exam.subjects[:1], segmented=exam.segmented[:1], healthy=None)
    start = time.perf_counter()
    one.take(name, through_the_door(method, contest.evaluation), method.covers)
    healthy = len(exam.healthy[1]) if exam.healthy and exam.segmenters else 0
    share_of_healthy = len(exam.modalities) / max(len(exam.subsets), 1)  # only all but one are asked of them
    return training, (time.perf_counter() - start) * (len(exam.subjects) + share_of_healthy * healthy)


def _steps(options: Mapping[str, Any]) -> list[int]:
    """Steps of the parts that are trained."""
    return [part.optimisation.steps for part in options.values() if hasattr(part, "optimisation")]


def in_words(seconds: Mapping[str, float], trials: int, of: int, workers: int = 1) -> str:
    """What the forecast says, as one sentence.

    Args:
        seconds: Contestant → seconds that its open trials take, one at a time.
        trials: How many are open,
        of: of how many.
        workers: Processes among which they are divided.
    """
    if trials == 0:
        return f"All {of} trials have been done before: nothing is trained"
    parts = ", ".join(f"{name} {_minutes(value)}" for name, value in seconds.items() if value >= 30)
    done = f" ({of - trials} of {of} trials have been done before)" if trials < of else ""
    together = f", {workers} at a time" if workers > 1 else ""
    return f"About {_minutes(sum(seconds.values()) / workers)} to go{done}: {parts or 'seconds each'}{together}"


def _minutes(seconds: float) -> str:
    return f"{max(round(seconds / 60), 1)} min"
