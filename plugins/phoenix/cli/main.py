"""Entry point of ``phoenix``: gathers the nouns and turns errors into messages and exit codes."""

from __future__ import annotations

import sys

import typer

from phoenix.cli import ab, ab_process, archive, batch, config, frames, idp, masters, qc, rules
from phoenix.cli.demo import demo
from phoenix.cli.housekeeping import housekeeping
from phoenix.cli.simulate import simulate
from phoenix.deployment.__main__ import doctor
from phoenix.errors import PhoenixError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="PHOENIX: from raw frames to archive-ready science products. Exit codes: 0 clean, 1 findings or "
    "partial, 2 wrong usage or configuration, 3 infrastructure.",
)
app.command()(simulate)
app.command()(demo)
app.command()(doctor)
app.command()(housekeeping)
ab.app.registered_commands.extend(ab_process.app.registered_commands)
for name, noun in {
    "frames": frames.app,
    "ab": ab.app,
    "masters": masters.app,
    "batch": batch.app,
    "qc": qc.app,
    "idp": idp.app,
    "archive": archive.app,
    "rules": rules.app,
    "config": config.app,
}.items():
    app.add_typer(noun, name=name)


def run() -> None:
    """Run the command line."""
    try:
        app()
    except PhoenixError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        sys.exit(error.exit_code)
