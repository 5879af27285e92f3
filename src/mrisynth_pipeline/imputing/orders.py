"""From options to a run: whose scans, which model, where to; and what stands in the output at the end."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import ValidationError

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.shelf import resolve_model
from mrisynth_pipeline.exporting.whole import appearing
from mrisynth_pipeline.imputing.outcomes import DONE, Outcome
from mrisynth_pipeline.imputing.own_scans import OwnScans, OwnSubject, find_own_scans
from mrisynth_pipeline.imputing.parameters import HowToImpute, ImputeParameters
from mrisynth_pipeline.imputing.ready_model import open_model
from mrisynth_pipeline.imputing.run import Order, Progress, impute_all
from mrisynth_pipeline.reporting.impute_index import SubjectRow, index_page

SUMMARY, INDEX = "summary.tsv", "index.html"


def understand(
    options: Mapping[str, Any], files: Mapping[str, Path] | None = None, subject: str = ""
) -> tuple[list[OwnSubject], Order]:
    """Find scans and model.

    Args:
        options: Those of :class:`~mrisynth_pipeline.imputing.parameters.ImputeParameters`, by name.
        files: Contrast → file, where no input folder is given.
        subject: Name of the subject whose files they are.

    Returns:
        Every subject found, usable or not, and what is to be done with them.

    Raises:
        InputError: An option is wrong, the model cannot be used, or no scan is found.
    """
    parameters = options if isinstance(options, ImputeParameters) else _checked(ImputeParameters, options)
    model = open_model(resolve_model(parameters.model, parameters.data_dir), parameters.model)
    given = OwnScans(parameters.input, dict(files or {}), subject, parameters.names, parameters.output)
    registered = None if parameters.registered == "auto" else parameters.registered
    subjects = find_own_scans(given, model.modalities, registered, workers=os.cpu_count() or 1)
    origin = parameters.input or Path(os.path.commonpath([path.absolute().parent for path in files.values()]))
    how = HowToImpute(**parameters.model_dump(include=set(HowToImpute.model_fields)))
    order = Order(
        model=model,
        how=how,
        origin=origin if origin.is_dir() else origin.parent,
        output=parameters.output or Path(),
        pages=parameters.pages,
        overwrite=parameters.overwrite,
    )
    return subjects, order


def carry_out(subjects: Sequence[OwnSubject], order: Order, progress: Progress | None = None) -> list[Outcome]:
    """Impute, and sum up: ``summary.tsv`` and, with pages, ``index.html``.

    Raises:
        InputError: Nothing can be written.
    """
    outcomes = impute_all(subjects, order, progress)
    _write(order.output / SUMMARY, outcome_table(outcomes).to_csv(sep="\t", index=False))
    if order.pages:
        rows = [_row(each) for each in outcomes if each.status == DONE]
        others = [(each.subject, f"{each.status}: {each.reason}") for each in outcomes if each.status != DONE]
        _write(order.output / INDEX, index_page(rows, others))
    return outcomes


def _row(done: Outcome) -> SubjectRow:
    """One line of the index."""
    return SubjectRow(
        subject=done.subject,
        light=done.light,
        inputs=done.inputs,
        imputed=done.imputed,
        n_findings=done.findings,
        page=done.page,
        mean_expected_error={name: value for name, value in done.expected.items() if value is not None},
    )


def as_how(options: Mapping[str, Any]) -> HowToImpute:
    """Options of one study, checked.

    Raises:
        InputError: One is wrong.
    """
    return _checked(HowToImpute, options)


P = TypeVar("P", bound=HowToImpute)


def _checked(kind: type[P], options: Mapping[str, Any]) -> P:
    try:
        return kind(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = "impute." + ".".join(str(part) for part in fault["loc"]) if fault["loc"] else "impute"
        raise InputError(where, fault["msg"].removeprefix("Value error, "), "See mrisynth impute --help") from error


def outcome_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per subject, as ``summary.tsv`` has them; what there is nothing to say of is n/a, as in BIDS."""
    rows = []
    for each in outcomes:
        expected = " ".join(f"{name}:{value:.4f}" for name, value in each.expected.items() if value is not None)
        rows.append(
            {
                "subject": each.subject,
                "status": each.status,
                "light": each.light or "n/a",
                "inputs": "+".join(each.inputs) or "n/a",
                "imputed": "+".join(each.imputed) or "n/a",
                "expected_error": expected or "n/a",
                "findings": each.findings,
                "seconds": each.seconds,
                "reason": each.reason or "n/a",
            }
        )
    return pd.DataFrame(rows)


def _write(path: Path, text: str) -> None:
    try:
        with appearing(path, overwrite=True) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", "Make room, or name another output") from error
