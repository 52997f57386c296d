"""Entry point of ``phoenix``: gathers the nouns and turns errors into messages and exit codes."""

from __future__ import annotations

import sys

import typer

from phoenix.errors import PhoenixError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


def run() -> None:
    """Run the command line; exit codes: 0 clean, 1 findings, 2 usage or configuration, 3 infrastructure."""
    try:
        app()
    except PhoenixError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        sys.exit(error.exit_code)
