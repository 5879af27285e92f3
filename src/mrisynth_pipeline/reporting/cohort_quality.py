"""What ingestion found, for a person: the same tables on a page and in the terminal."""

from collections.abc import Mapping

import pandas as pd

from mrisynth_pipeline.cohorts.findings import KINDS
from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.reporting.page import render_page
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table

_SHOWN_IN_TERMINAL = 12
"""Findings of one kind that the terminal names; the page and the CSV have them all."""


def overview(summary: Mapping) -> Table:
    """How many scans of each contrast there are, and how complete the cohort is.

    Args:
        summary: From :func:`mrisynth_pipeline.cohorts.summary.summarise`.
    """
    rows = []
    for name in summary["modalities"]:
        low, high = summary["spacing_range_mm"].get(name, (None, None))
        edges = ABSENT if low is None else f"{low:.2f} to {high:.2f}"
        cells = (DISPLAY_NAMES[name], str(summary["scans_per_modality"][name]), edges)
        rows.append(Row(tuple(Cell(text) for text in cells)))
    n, patients = summary["subjects"], summary["patients"]
    caption = f"{summary['cohort']}: {n} subjects of {patients} patients, {summary['complete_subjects']} complete"
    notes = [f"Label maps: {summary['label_maps']}. Fingerprint of the data: {summary['fingerprint'][:12]}."]
    if set(summary["subjects_per_site"]) - {""}:
        sites = ", ".join(f"{site or 'unknown'} {count}" for site, count in summary["subjects_per_site"].items())
        notes.append(f"Subjects per site: {sites}.")
    columns = (Column("Contrast", numeric=False), Column("Usable scans"), Column("Voxel edges (mm)"))
    return Table(caption, columns, tuple(rows), tuple(notes))


def findings_tables(findings: pd.DataFrame, limit: int | None = None) -> list[Table]:
    """One table per kind of finding, what costs data first.

    Args:
        findings: From :func:`mrisynth_pipeline.cohorts.findings.find_oddities`.
        limit: Rows per table at most; a note says how many more there are.
    """
    tables = []
    for kind, heading in KINDS.items():
        rows = findings[findings["kind"] == kind]
        if rows.empty:
            continue
        shown = rows if limit is None else rows.head(limit)
        cells = [
            Row((Cell(row.subject or ABSENT), Cell(DISPLAY_NAMES.get(row.modality, row.modality)), Cell(row.finding)))
            for row in shown.itertuples()
        ]
        more = (f"… and {len(rows) - len(shown)} more",) if len(shown) < len(rows) else ()
        columns = (Column("Subject", numeric=False), Column("Scan", numeric=False), Column("Finding", numeric=False))
        tables.append(Table(f"{heading} ({len(rows)})", columns, tuple(cells), more))
    return tables


def quality_text(summary: Mapping, findings: pd.DataFrame, width: int = 100) -> str:
    """The tables for a terminal, ``width`` characters wide."""
    tables = [overview(summary), *findings_tables(findings, _SHOWN_IN_TERMINAL)]
    text = "\n".join(table.to_text(width) for table in tables)
    return text if len(tables) > 1 else f"{text}\nNothing is odd about these scans.\n"


def quality_page(summary: Mapping, findings: pd.DataFrame) -> str:
    """The tables as one self-contained HTML page."""
    return render_page(
        "cohort.html", cohort=summary["cohort"], overview=overview(summary), tables=findings_tables(findings)
    )
