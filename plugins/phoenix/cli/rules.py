"""``phoenix rules``: our rules held against ESO's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from phoenix.association.oca.compare import compare, instrument_of
from phoenix.association.oca.comparison import Comparison
from phoenix.association.oca.parser import read
from phoenix.cli.context import get_configuration
from phoenix.cli.output import Format, FormatOption, show

app = typer.Typer(no_args_is_help=True, help="Rules of classification, grouping and association.")


@app.callback()
def _rules() -> None:
    """Rules of classification, grouping and association."""


@app.command("import")
def import_oca(
    file: Annotated[Path, typer.Argument(help="OCA file of ESO", show_default=False)],
    instrument: Annotated[
        str | None, typer.Option(help="instrument, e.g. UVES; default what the file asks for")
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Read an OCA file and say how our rules differ from it; exit code 1 if they do."""
    oca = read(file)
    name = instrument or instrument_of(oca)
    configuration = get_configuration()
    comparison = compare(oca, configuration.rules(name), configuration.instrument(name))
    if output is Format.JSON:
        typer.echo(json.dumps(comparison.as_dict(), indent=2))
    else:
        _tell(comparison)
    raise typer.Exit(1 if comparison.findings else 0)


def _tell(comparison: Comparison) -> None:
    typer.echo(
        f"{comparison.file}: {comparison.classifications} classification rules, "
        f"{comparison.organisations} groups, {comparison.actions} actions, "
        f"{comparison.associations} associations"
    )
    typer.echo(
        f"held against our rules of {comparison.instrument}, version {comparison.rules_version}: "
        f"{comparison.headers} headers classified by both, {len(comparison.pairs)} steps compared"
    )
    for place in comparison.unasked:
        typer.echo(f"{place}: no header could be made for this rule")
    rows = [
        {
            "part": found.part.value,
            "of": found.subject,
            "what": found.aspect,
            "OCA": found.oca,
            "ours": found.ours,
            "place": found.place,
        }
        for found in comparison.findings
    ]
    show(rows, Format.TABLE, title=f"{len(rows)} differences", empty="no differences")
