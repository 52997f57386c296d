"""``phoenix config``: check what stands in include/config."""

from __future__ import annotations

import typer

from phoenix.cli.context import get_configuration
from phoenix.cli.output import Format, FormatOption, show

app = typer.Typer(no_args_is_help=True, help="The configuration in include/config.")


@app.command()
def check(output: FormatOption = Format.TABLE) -> None:
    """Read every file; each error names file, field, value found and value expected."""
    configuration = get_configuration()
    errors = configuration.check()
    rows = [
        {"where": error.subject, "found": error.found, "expected": error.expected, "do": error.remedy}
        for error in errors
    ]
    show(rows, output, title="Errors in the configuration", empty=f"{configuration.folder}: no errors")
    raise typer.Exit(2 if errors else 0)
