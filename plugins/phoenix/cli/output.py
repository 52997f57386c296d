"""How results reach the reader: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table


class Format(StrEnum):
    """Output format of a listing."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", help="table for people, json for programs", case_sensitive=False)
]


def show(rows: Sequence[Mapping[str, Any]], output: Format, title: str = "", empty: str = "nothing") -> None:
    """Print rows whose keys are the column names (with units); all rows have the same keys."""
    if output is Format.JSON:
        typer.echo(json.dumps([dict(row) for row in rows], indent=2, default=str))
        return
    if not rows:
        typer.echo(empty)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column, value in rows[0].items():
        table.add_column(
            column, justify="right" if isinstance(value, (int, float)) else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    # Header values may hold markup of the table printer; it must be shown, not obeyed.
    return text.replace("[", r"\[")
