"""``phoenix ab edit`` and ``phoenix ab run``: PGIs and recipes, AB by AB."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from phoenix.cli.output import Format, FormatOption, show
from phoenix.config.loader import Configuration

app = typer.Typer(no_args_is_help=True)

Release = Annotated[str, typer.Argument(help="release, e.g. UVES_R3")]


@app.command()
def edit(
    release: Release,
    key: Annotated[str, typer.Argument(help="batch key, e.g. 2019-03")],
    night: Annotated[str | None, typer.Option(help="only this night, e.g. 2019-03-04")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the changes, make none")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Apply the release's PGIs to the ABs of a batch; exit code 1 if an AB could not be edited."""
    from phoenix.chain.connect import connect
    from phoenix.chain.edit import edit_abs

    configuration = Configuration()
    report = edit_abs(connect(configuration), configuration, release, key, night, dry_run=dry_run)
    if output is Format.JSON:
        show([{"ab": name, "diff": diff} for name, diff in report.diffs.items()], output)
    else:
        for diff in report.diffs.values():
            typer.echo(diff)
        for note in dict.fromkeys(report.notes):
            typer.echo(note)
        typer.echo(str(report))
    if report.problems:
        raise typer.Exit(1)


@app.command()
def run(
    release: Release,
    names: Annotated[list[str], typer.Argument(help="names of ABs, in this order")],
    quiet: Annotated[bool, typer.Option("--quiet", help="do not show the recipe's log")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Run ABs that are not done yet; exit code 1 if one gave no products."""
    from phoenix.chain.connect import connect
    from phoenix.chain.execute import run_ab

    configuration = Configuration()
    database = connect(configuration)
    rows: list[dict[str, Any]] = []
    good = True
    for name in names:
        attempt = run_ab(
            database, configuration, release, name, lambda line: None if quiet else typer.echo(line, err=True)
        )
        good = good and attempt.outcome.succeeded
        rows.append(
            {
                "AB": name,
                "attempt": attempt.number,
                "outcome": attempt.outcome.value,
                "wall / s": round(attempt.wall_s, 1),
                "CPU / s": attempt.cpu_s,
                "memory / MB": attempt.memory_peak_mb,
                "findings": "; ".join(attempt.findings),
            }
        )
    show(rows, output)
    if not good:
        raise typer.Exit(1)
