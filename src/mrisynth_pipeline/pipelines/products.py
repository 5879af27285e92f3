"""Products of pipelines that may not have been run: which nodes do without them, and which of them still count."""

import logging
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from typing import Any, TypeVar

import pandas as pd

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


def may_lack(*patterns: str) -> Callable[[F], F]:
    """Mark a node's function as one that takes ``None`` for products that nobody has made yet.

    Args:
        patterns: Catalog names that may be missing, such as ``*.scores``; what is missing beyond them is an error that
            names the pipeline to run first (see :class:`mrisynth_pipeline.hooks.MissingProducts`).
    """

    def mark(function: F) -> F:
        function.may_lack = patterns
        return function

    return mark


def must_not_lack(function: Callable[..., Any], name: str) -> bool:
    """Whether a node's function cannot do without a dataset."""
    return not any(fnmatch(name, pattern) for pattern in getattr(function, "may_lack", ()))


def of_this_study(study: dict[str, Any], tables: Iterable[pd.DataFrame | None]) -> list[pd.DataFrame]:
    """Those of some score tables that are there, hold rows, and were scored on this study's data as it is now."""
    kept = []
    for table in tables:
        if table is None or table.empty:
            continue
        if table.attrs.get("study") == study["fingerprint"]:
            kept.append(table)
        else:
            names = ", ".join(sorted(table["method"].unique()))
            logger.warning("The scores of %s are those of other data: left out. Run its pipeline again", names)
    return kept


def marked(table: pd.DataFrame, study: dict[str, Any]) -> pd.DataFrame:
    """A score table that says which study's data it was scored on; the mark is kept in the parquet file."""
    table.attrs["study"] = study["fingerprint"]
    return table
