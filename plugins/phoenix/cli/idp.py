"""``phoenix idp``: convert products to IDPs, and check files against the Phase 3 rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show

app = typer.Typer(no_args_is_help=True, help="IDPs: conversion and Phase 3 checks.")


@app.command()
def convert(
    release: Annotated[str, typer.Argument(help="e.g. UVES_R3")],
    key: Annotated[str, typer.Argument(help="key of the batch, e.g. 2019-03")],
    night: Annotated[str | None, typer.Option(help="only this night, e.g. 2019-03-04")] = None,
) -> None:
    """Convert the science products of a batch and check the IDPs; what is done already is left alone."""
    from phoenix.chain.convert import convert_idps

    report = convert_idps(get_database(), get_configuration(), release, key, night)
    typer.echo(str(report))
    raise typer.Exit(0 if report.clean else 1)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="science products and ancillary files", exists=True)],
    output: FormatOption = Format.TABLE,
) -> None:
    """Check files against the Phase 3 rules; ancillary files are expected beside their product."""
    from phoenix.archive.fitsverify import fitsverify
    from phoenix.idp.checks.batch import check_batch
    from phoenix.idp.checks.runner import check_file

    rows = [
        {"file": path.name, "rule": found.rule, "where": found.where, "finding": found.message}
        for path in files
        for found in check_file(path, fitsverify)
    ]
    rows += [
        {"file": "", "rule": found.rule, "where": found.where, "finding": found.message}
        for found in check_batch(files)
    ]
    show(rows, output, title="Findings", empty=f"{len(files)} files, no findings")
    raise typer.Exit(1 if rows else 0)


@app.command()
def rules(output: FormatOption = Format.TABLE) -> None:
    """List the rules and their ids."""
    from phoenix.idp.checks.rules import RULES

    show([{"rule": rule, "means": meaning} for rule, meaning in RULES.items()], output, title="Phase 3 rules")
