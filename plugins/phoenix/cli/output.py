"""How results reach the reader: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from phoenix.model.report import printable

#: A column is prose, which may be broken between words, when a cell is longer than this and holds spaces.
_PROSE_LONGER_THAN = 24
#: Prose is not squeezed into less; a narrower terminal breaks the lines itself.
_PROSE_AT_LEAST = 18
_ANY_WIDTH = 100_000


class Format(StrEnum):
    """Output format of a listing."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", help="table for people, json for programs", case_sensitive=False)
]


def show(
    rows: Sequence[Mapping[str, Any]],
    output: Format,
    title: str = "",
    empty: str = "nothing",
    columns: Sequence[str] = (),
) -> None:
    """Print rows whose keys are the column names (with units); all rows have the same keys.

    On a terminal prose is broken between words to fit; names and numbers never are. Anywhere else, e.g. in a
    pipe, each row is one line.

    Parameters
    ----------
    columns : sequence of str
        What a table shows of the rows; default all. JSON holds everything.
    """
    if output is Format.JSON:
        typer.echo(json.dumps([dict(row) for row in rows], indent=2, default=str))
        return
    if not rows:
        typer.echo(empty)
        return
    console = Console()
    table = _table([_shown(row, columns) for row in rows], title, breaking=console.is_terminal)
    width = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table)
    if console.is_terminal:
        console.width = max(console.width, width.minimum)
        # Lines that are wider than the terminal are the terminal's to break: nothing is cut off.
        console.print(table, crop=False)
        return
    console.width = width.maximum
    with console.capture() as capture:
        console.print(table, crop=False)
    typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _shown(row: Mapping[str, Any], columns: Sequence[str]) -> Mapping[str, Any]:
    return {column: row[column] for column in columns} if columns else row


def _table(rows: Sequence[Mapping[str, Any]], title: str, *, breaking: bool) -> Table:
    table = Table(
        title=title or None,
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    # A column in which nobody has anything to say takes room from the others.
    columns = [column for column in rows[0] if any(_cell(row[column]) for row in rows)]
    for column in columns:
        cells = [_cell(row[column]) for row in rows]
        prose = breaking and column != columns[0] and any(_is_prose(cell) for cell in cells)
        table.add_column(
            column,
            justify="right" if isinstance(rows[0][column], (int, float)) else "left",
            no_wrap=not prose,
            min_width=_PROSE_AT_LEAST if prose else max(cell_len(text) for text in (column, *cells)),
        )
    for row in rows:
        # Text, since header values may hold markup of the table printer; it must be shown, not obeyed.
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    return table


def _is_prose(cell: str) -> bool:
    return " " in cell and len(cell) > _PROSE_LONGER_THAN


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return printable(text.replace("\n", " "))
