"""``phoenix batch``: the whole chain of a batch without Airflow."""

from __future__ import annotations

import getpass
import json
import os
import socket
from typing import Annotated

import typer

from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show
from phoenix.errors import UsageError
from phoenix.model.batch import BatchState

app = typer.Typer(no_args_is_help=True, help="Batches: a night, a month or a run of a release.")


@app.command()
def run(
    release: Annotated[str, typer.Argument(help="e.g. UVES_R3")],
    key: Annotated[str, typer.Argument(help="night 2019-03-04, month 2019-03 or run 099.A-0023(B)")],
    only: Annotated[str, typer.Option(help="steps, comma separated, e.g. create_abs,edit_abs")] = "",
    ab: Annotated[
        list[str] | None,
        typer.Option("--ab", "-a", help="only this AB and those it waits for; no step after the recipes"),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Process a batch; a second call does only what is not done yet."""
    from phoenix.chain.run import BatchRun, Step

    try:
        steps = [Step(name.strip()) for name in only.split(",") if name.strip()]
    except ValueError as error:
        raise UsageError("--only", str(error), f"names among {', '.join(Step)}") from error
    steps = steps or (list(Step)[: list(Step).index(Step.RUN_RECIPES) + 1] if ab else list(Step))
    owner = f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"
    batch = BatchRun(
        get_database(),
        get_configuration(),
        release,
        key,
        owner,
        say=lambda line: typer.echo(line, err=True),
        abs_=ab or (),
    )
    report = batch.run(steps)
    typer.echo(json.dumps(report.as_dict(), indent=2) if output is Format.JSON else report.text())
    raise typer.Exit(0 if report.state is BatchState.DONE else 1)


@app.command()
def status(release: str, key: str, output: FormatOption = Format.TABLE) -> None:
    """Show how a batch stands: nights, ABs by outcome, IDPs, what is missing and why."""
    from phoenix.chain.report import batch_report

    report = batch_report(get_database(), get_configuration(), release, key)
    typer.echo(json.dumps(report.as_dict(), indent=2) if output is Format.JSON else report.text())
    raise typer.Exit(0 if report.state in {BatchState.DONE, BatchState.RUNNING, BatchState.DUE} else 1)


@app.command("list")
def list_(
    release: Annotated[str | None, typer.Argument(help="only this release")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List batches, newest key first."""
    from phoenix.store.batches import BatchRepository

    with get_database().transaction() as session:
        rows = [
            {
                "release": row.release,
                "key": row.key,
                "state": row.state,
                "opened (UTC)": f"{row.opened_at:%Y-%m-%d %H:%M}",
                "closed (UTC)": f"{row.closed_at:%Y-%m-%d %H:%M}" if row.closed_at else "-",
                "owner": row.owner or "-",
            }
            for row in BatchRepository(session).all(release)
        ]
    show(rows, output, title="Batches", empty="no batch was processed yet")


@app.command()
def close(release: str, key: str) -> None:
    """Close a batch that a crash left open, so that it can be processed again; its ABs are not touched."""
    from phoenix.chain.batch import close_abandoned

    typer.echo(close_abandoned(get_database(), get_configuration(), release, key).text())
