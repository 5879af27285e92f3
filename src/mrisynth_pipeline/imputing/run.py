"""Many subjects: each on its own, finished ones kept, results whole or not at all."""

import errno
import hashlib
import json
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrisynth_pipeline import __version__
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imputing.derivatives import Place, write_derivatives, write_description
from mrisynth_pipeline.imputing.outcomes import (
    COMPLETE,
    DONE,
    FAILED,
    TO_DO,
    Outcome,
    read_record,
    record_file,
    write_record,
)
from mrisynth_pipeline.imputing.own_scans import OwnSubject
from mrisynth_pipeline.imputing.parameters import HowToImpute
from mrisynth_pipeline.imputing.ready_model import ReadyModel
from mrisynth_pipeline.imputing.subject import ImputedSubject, impute_subject, plan
from mrisynth_pipeline.imputing.trust import Finding
from mrisynth_pipeline.imputing.views import view_of
from mrisynth_pipeline.reporting.quality_page import quality_page

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, OwnSubject], None]
"""Told before every subject that is imputed: its number from 1, of how many, and which."""

_NOTHING_MORE_CAN_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


@dataclass(frozen=True)
class Order:
    """What is to be done with every subject."""

    model: ReadyModel
    how: HowToImpute
    origin: Path
    """Folder of the input; sidecars name sources relative to it."""
    output: Path
    """Where results go."""
    pages: bool = True
    """Whether each subject gets a page to look at."""
    overwrite: bool = False
    """Do again what has been done."""


def place_of(subject: OwnSubject) -> Place:
    """Where a subject's results belong."""
    return Place.of(subject.subject, subject.patient, subject.session)


def told_of(subject: OwnSubject) -> list[Finding]:
    """What finding a subject's scans has come upon."""
    found = [Finding("warning", "", sentence) for sentence in subject.remarks]
    return found + [Finding("note", "", sentence) for sentence in subject.notes]


def plan_all(subjects: Sequence[OwnSubject], order: Order) -> list[Outcome]:
    """What would be done with every subject; nothing is imputed, nothing is written."""
    stems = Counter(place_of(subject).stem for subject in subjects)
    foreseen = []
    for subject in subjects:
        outcome, stem = _foresee(subject, order), place_of(subject).stem
        if stems[stem] > 1:
            reason = (
                f"{stems[stem]} subjects would be written as {stem}: rename them, BIDS allows letters and digits alone"
            )
            outcome = Outcome(subject.subject, FAILED, reason=reason)
        foreseen.append(outcome)
    return foreseen


def impute_all(subjects: Sequence[OwnSubject], order: Order, progress: Progress | None = None) -> list[Outcome]:
    """Impute every subject that lacks something.

    A subject that fails is recorded and does not stop the others. What was done before with the same scans, model and
    options is kept. Files of a subject appear together, and its record last.

    Args:
        subjects: Whom.
        order: By which model, how, and where to.
        progress: Told before every subject.

    Returns:
        One outcome per subject, in order.

    Raises:
        InputError: The output cannot be written, or the disk is full.
    """
    check_writable(order.output)
    write_description(order.output, order.model)
    outcomes = plan_all(subjects, order)
    for number, subject in enumerate(subjects):
        if outcomes[number].status == TO_DO:
            if progress:
                progress(number + 1, len(subjects), subject)
            outcomes[number] = _attempt(subject, outcomes[number], order)
        if outcomes[number].status == FAILED:
            logger.error("%s failed: %s", subject.subject, outcomes[number].reason)
    return outcomes


def check_writable(output: Path) -> None:
    """Miss the right to write before the work starts.

    Raises:
        InputError: The folder cannot be made, or nothing can be written into it.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=output, prefix=".writable-"):
            pass
    except OSError as error:
        problem = f"nothing can be written there ({error.strerror or error})"
        raise InputError(output, problem, "Name another output, or have its rights changed") from error


def fingerprint(subject: OwnSubject, targets: Sequence[str], model: ReadyModel, how: HowToImpute) -> str:
    """What a subject's results depend on, as one hash."""
    facts = {
        "scans": {name: source.facts() for name, source in sorted(subject.scans.items())},
        "registered": subject.registered,
        "targets": list(targets),
        "model": model.identity,
        "how": how.model_dump(mode="json", include=set(HowToImpute.model_fields) - {"device", "batch_size"}),
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _foresee(subject: OwnSubject, order: Order) -> Outcome:
    """What will become of a subject, as far as can be said without imputing."""
    if subject.problems:
        return Outcome(subject.subject, FAILED, reason="; ".join(subject.problems))
    try:
        inputs, targets = plan(subject.subject, list(subject.scans), order.model, order.how)
    except InputError as error:
        return Outcome(subject.subject, FAILED, reason=str(error))
    if not targets:
        return Outcome(subject.subject, COMPLETE, tuple(inputs), reason="every contrast that the model knows is there")
    own = fingerprint(subject, targets, order.model, order.how)
    kept = read_record(record_file(order.output, place_of(subject).stem))
    as_before = kept is not None and not order.overwrite and kept.fingerprint == own
    if as_before and all((order.output / name).is_file() for name in kept.files) and bool(kept.page) >= order.pages:
        return kept
    return Outcome(subject.subject, TO_DO, tuple(inputs), tuple(targets), fingerprint=own)


def _attempt(subject: OwnSubject, ahead: Outcome, order: Order) -> Outcome:
    """Impute and write one subject; what goes wrong with it alone becomes its outcome."""
    try:
        result = impute_subject(
            subject.subject, subject.scans, subject.registered, order.model, order.how, told_of(subject)
        )
        return write_results(result, place_of(subject), ahead.fingerprint, order)[0]
    except InputError as error:
        reason = str(error)
    except Exception as error:  # one subject must not cost the others theirs
        if isinstance(error, OSError) and error.errno in _NOTHING_MORE_CAN_BE_WRITTEN:
            problem = f"{subject.subject} could not be written ({error.strerror}); nothing of it is left behind"
            remedy = "Make room or choose another output; finished subjects are kept"
            raise InputError(order.output, problem, remedy) from error
        logger.exception("Subject %s", subject.subject)
        reason = f"{type(error).__name__}: {error}"
    return Outcome(subject.subject, FAILED, ahead.inputs, ahead.imputed, reason=reason)


def write_results(
    result: ImputedSubject, place: Place, own: str, order: Order
) -> tuple[Outcome, dict[str, dict[str, str]]]:
    """All files of a subject into a hidden folder, then into place, then the record.

    Args:
        result: What was imputed.
        place: Where it belongs.
        own: Fingerprint of what it depends on; "" for results that no later run is to take for its own.
        order: By which model, how, and where to.

    Returns:
        The outcome, and contrast → names of its files as :func:`.write_derivatives` has them.
    """
    hidden = Path(tempfile.mkdtemp(dir=order.output, prefix=f".{place.stem}-"))
    try:
        files = write_derivatives(result, place, hidden, order.model, order.how, order.origin)
        moves = {path: place.folder / path.name for path in sorted(hidden.iterdir())}
        page = f"{place.stem}.html" if order.pages else ""
        if page:
            html = quality_page(view_of(result, files, order.model, order.how))
            (hidden / page).write_text(html, encoding="utf-8")
            moves[hidden / page] = Path(page)
        record = record_file(order.output, place.stem)
        before = read_record(record)
        record.unlink(missing_ok=True)  # until the new files are all there, nothing is done
        for old in before.files if before else ():
            (order.output / old).unlink(missing_ok=True)
        (order.output / place.folder).mkdir(parents=True, exist_ok=True)
        for path, target in moves.items():
            path.chmod(0o644)
            path.replace(order.output / target)
        outcome = Outcome(
            subject=result.subject.subject,
            status=DONE,
            inputs=result.inputs,
            imputed=tuple(result.imputed),
            light=result.light,
            reason=result.summary,
            expected={name: each.trust.expected for name, each in result.imputed.items()},
            findings=len(result.findings),
            seconds=round(sum(result.seconds.values()), 1),
            folder=place.folder.as_posix(),
            page=page,
            fingerprint=own,
            files=tuple(target.as_posix() for target in moves.values()),
        )
        write_record(outcome, record)
        return outcome, files
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
