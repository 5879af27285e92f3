"""A table that a page, a terminal and a README can all show: cells are text, formatted once."""

import html
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

ABSENT = "–"
"""What a cell without a number shows."""

PUBLISHED = "published, other data"
"""The words that keep numbers from the literature apart from measured ones."""


@dataclass(frozen=True)
class Column:
    """Heading of a column; neighbours with the same ``group`` share a spanning heading above."""

    heading: str
    group: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """Formatted text; ``best`` marks the best method of the column (or of the row, where rows are compared)."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One row of cells, set apart from the methods that compete if it has a ``kind``.

    ``reference`` has seen the truth, ``published`` comes from the literature (both are announced by a line
    above them); ``context`` is only shown quietly.
    """

    cells: tuple[Cell, ...]
    kind: Literal["", "reference", "published", "context"] = ""

    def labelled(self) -> tuple[Cell, ...]:
        """The cells for a medium without announcing lines: published rows say so in their first cell."""
        if self.kind != "published":
            return self.cells
        return (Cell(f"{self.cells[0].text} ({PUBLISHED})"), *self.cells[1:])


@dataclass(frozen=True)
class Table:
    """Columns, rows, a caption that says what is counted, and footnotes."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Spanning headings with the number of columns each covers; empty if no column has one."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans if any(group for group, _ in spans) else []

    def headings(self) -> list[str]:
        """One line per column: group and heading."""
        return [f"{column.group} {column.heading}".strip() for column in self.columns]

    def to_frame(self) -> pd.DataFrame:
        """The cells as text, for a CSV file or a notebook."""
        texts = [[cell.text for cell in row.labelled()] for row in self.rows]
        return pd.DataFrame(texts, columns=self.headings())

    def to_markdown(self) -> str:
        """A GitHub-flavoured Markdown table, best values bold, with caption and notes around it."""
        ruler = ["---:" if column.numeric else "---" for column in self.columns]
        lines = [[_markdown(heading) for heading in self.headings()], ruler]
        for row in self.rows:
            cells = [(_markdown(cell.text), cell.best) for cell in row.labelled()]
            lines.append([f"**{text}**" if best else text for text, best in cells])
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return "\n\n".join([self.caption, body, *self.notes]) + "\n"

    def to_text(self, width: int = 100) -> str:
        """Plain text for a terminal or a log, ``width`` characters wide; ``*`` marks the best values."""
        table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for position, (heading, column) in enumerate(zip(self.headings(), self.columns, strict=True)):
            cells = [len(_starred(row.labelled()[position])) for row in self.rows]
            room = max([*cells, *(len(word) for word in heading.split())])  # headings fold before cells do
            justify = "right" if column.numeric else "left"
            table.add_column(textwrap.fill(heading, room), justify=justify, overflow="fold")
        for row in self.rows:
            cells = zip(row.labelled(), self.columns, strict=True)
            table.add_row(*(_starred(cell) if column.numeric else cell.text for cell, column in cells))
        buffer = io.StringIO()
        console = Console(file=buffer, width=width, color_system=None, highlight=False, markup=False)
        console.print(self.caption)
        console.print(table)
        for note in self.notes:
            console.print(note)
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def number(value: float | None, decimals: int) -> str:
    """A number with fixed decimals and a true minus sign (none before a rounded 0); :data:`ABSENT` for ``None``."""
    return ABSENT if value is None else f"{value:z.{decimals}f}".replace("-", "−")


def interval(low: float | None, high: float | None, decimals: int) -> str:
    """``low to high``; :data:`ABSENT` without bounds."""
    return ABSENT if low is None or high is None else f"{number(low, decimals)} to {number(high, decimals)}"


def p_value(value: float) -> str:
    """A p-value as journals print it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_relation(value: float) -> str:
    """The same after the letter p in a sentence: ``= 0.031`` or ``< 0.001``."""
    return p_value(value) if value < 0.001 else f"= {p_value(value)}"


def best_of(values: Sequence[float | None], decimals: int, *, higher_is_better: bool = True) -> list[bool]:
    """Which values print like the best of them; none if there is nothing to compare with."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return [False] * len(values)
    best = number(max(known) if higher_is_better else min(known), decimals)
    return [value is not None and number(value, decimals) == best for value in values]


def _starred(cell: Cell) -> str:
    """A trailing star, or the blank in its place that keeps decimals aligned."""
    return cell.text + ("*" if cell.best else " ")


def _markdown(text: str) -> str:
    """Text that cannot break out of its table cell."""
    return re.sub(r"([\\|*_`])", r"\\\1", html.escape(text, quote=False)).replace("\n", " ")
