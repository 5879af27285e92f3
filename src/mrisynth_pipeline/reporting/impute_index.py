"""One page over all subjects of an imputation: which to look at first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.quality_page import expected_error_text
from mrisynth_pipeline.reporting.style import modality_label
from mrisynth_pipeline.reporting.subject_view import Light

_ORDER: Mapping[str, int] = {"red": 0, "amber": 1, "green": 2}


@dataclass(frozen=True)
class SubjectRow:
    """One subject of the index.

    Args:
        subject: Identifier.
        light: The worst that holds for the subject.
        inputs: Contrasts that were used.
        imputed: Contrasts that were imputed.
        mean_expected_error: Imputed contrast → mean expected absolute error in [0, 1]; without those that are not
            calibrated.
        n_findings: How many findings its page has.
        page: Its page, relative to the index, with forward slashes.
    """

    subject: str
    light: Light
    inputs: tuple[str, ...]
    imputed: tuple[str, ...]
    n_findings: int
    page: str
    mean_expected_error: Mapping[str, float] = field(default_factory=dict)


def index_page(rows: Sequence[SubjectRow], others: Sequence[tuple[str, str]] = ()) -> str:
    """A self-contained HTML page: one row per subject, the doubtful first, sortable by every column.

    Args:
        rows: The subjects that were imputed, in any order.
        others: Subjects without a result, and why.

    Returns:
        The HTML text; write it as UTF-8 beside the pages that it links to.
    """
    shown = sorted(rows, key=lambda row: (_ORDER[row.light], row.subject))
    contrasts = list(dict.fromkeys(name for row in shown for name in row.imputed))
    counts = [(light, sum(row.light == light for row in shown)) for light in _ORDER]
    return render_page(
        "impute_index.html",
        # Quoted whole, so that no address can name a scheme and run a script.
        {"contrast": modality_label, "expected_error": expected_error_text, "address": quote},
        styles=["quality_page.css"],
        scripts=["sortable_table.js"],
        rows=shown,
        others=others,
        contrasts=contrasts,
        counts=counts,
        order=_ORDER,
    )
