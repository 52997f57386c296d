"""``phoenix housekeeping``: what lost processes left behind, cleared or only listed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from phoenix.chain.housekeeping import sweep
from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show
from phoenix.execution.workfolder import disk_room


def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would be cleared")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Stop containers nobody follows and clear working folders of ended attempts; logs stay."""
    configuration = get_configuration()
    found = sweep(get_database(), configuration, dry_run=dry_run)
    show([asdict(leftover) for leftover in found], output, empty="nothing was left behind")
    if output is Format.TABLE:
        typer.echo(f"disk: {disk_room(configuration.root)}")
