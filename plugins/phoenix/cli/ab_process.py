"""``phoenix ab edit``, ``run`` and ``reset``: PGIs and recipes, AB by AB or with all that depends on one."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show
from phoenix.model.outcome import Attempt

if TYPE_CHECKING:
    from phoenix.chain.rerun import RerunPlan

app = typer.Typer(no_args_is_help=True)

Release = Annotated[str, typer.Argument(help="release, e.g. UVES_R3")]
Names = Annotated[list[str], typer.Argument(help="names of ABs, in this order")]

_COLUMNS = ("AB", "attempt", "outcome", "wall / s", "CPU / s", "memory / MB", "findings")


@app.command()
def edit(
    release: Release,
    key: Annotated[str, typer.Argument(help="batch key, e.g. 2019-03")],
    night: Annotated[str | None, typer.Option(help="only this night, e.g. 2019-03-04")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the changes, make none")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Apply the release's PGIs to the ABs of a batch; exit code 1 if an AB could not be edited."""
    from phoenix.chain.edit import edit_abs

    report = edit_abs(get_database(), get_configuration(), release, key, night, dry_run=dry_run)
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
    names: Names,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="again, with all ABs that depend on them, of any batch")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="also what is done already")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list what would run, and how long")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="do not show the recipe's log")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Run ABs that are not done yet; exit code 1 if one gave no products."""
    from phoenix.chain.rerun import plan_rerun, rerun, reset

    database, configuration = get_database(), get_configuration()
    plan = plan_rerun(database, configuration, release, names, cascade=cascade)
    if dry_run:
        _show_plan(plan.of_undone() if not (cascade or again) else plan, output)
        return
    if cascade:
        owner = f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()} (phoenix ab run)"
        ended = rerun(database, configuration, plan, owner, lambda line: typer.echo(line, err=True))
        show([_attempt_line(each.step.name, each.attempt, each.error) for each in ended], output)
        for key in plan.keys:
            typer.echo(f"QC, IDPs and ingestion follow: phoenix batch run {release} '{key}'", err=True)
        raise typer.Exit(0 if all(each.good for each in ended) else 1)
    if again:
        reset(database, configuration, plan)
    good = _run_one_by_one(release, names, quiet, output)
    if again:
        _tell_dependents(release, names)
    raise typer.Exit(0 if good else 1)


@app.command()
def reset(
    release: Release,
    names: Names,
    cascade: Annotated[bool, typer.Option("--cascade", help="with all ABs that depend on them")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list them, change nothing")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Make ABs to do again, without running them: the next run of their batches does, here or in Airflow."""
    from phoenix.chain.rerun import plan_rerun
    from phoenix.chain.rerun import reset as reset_

    database, configuration = get_database(), get_configuration()
    plan = plan_rerun(database, configuration, release, names, cascade=cascade)
    if not dry_run:
        changed = reset_(database, configuration, plan)
    _show_plan(plan, output)
    if not dry_run and output is Format.TABLE:
        typer.echo(f"{len(changed)} were done or had failed, and are to do again")
        for key in plan.keys:
            typer.echo(f"run the batch: clear its run in Airflow, or phoenix batch run {release} '{key}'")


@app.command()
def attempts(
    release: Release,
    name: Annotated[str, typer.Argument(help="name of an AB")],
    output: FormatOption = Format.TABLE,
) -> None:
    """List the attempts to run an AB, oldest first: how each ended, and why."""
    from phoenix.store.attempts import AttemptRepository

    with get_database().transaction() as session:
        history = AttemptRepository(session).history(release, name)
    show([_attempt_line(name, attempt) for attempt in history], output, "Attempts", "it was never run")


def _run_one_by_one(release: str, names: list[str], quiet: bool, output: Format) -> bool:
    from phoenix.chain.execute import run_ab

    rows, good = [], True
    for name in names:
        attempt = run_ab(
            get_database(),
            get_configuration(),
            release,
            name,
            lambda line: None if quiet else typer.echo(line, err=True),
        )
        good = good and attempt.outcome.succeeded
        rows.append(_attempt_line(name, attempt))
    show(rows, output)
    return good


def _tell_dependents(release: str, names: list[str]) -> None:
    """Remind of ABs whose products were made with what has just been made anew."""
    from phoenix.chain.rerun import plan_rerun

    everything = plan_rerun(get_database(), get_configuration(), release, names, cascade=True)
    others = [step.name for step in everything.steps if step.name not in names and step.outcome]
    if others:
        typer.echo(
            f"{len(others)} ABs were made with what stood there before; "
            f"run them too: phoenix ab run {release} {' '.join(names)} --cascade",
            err=True,
        )


def _show_plan(plan: RerunPlan, output: Format) -> None:
    rows = [
        {
            "AB": step.name,
            "batch": step.key,
            "task": step.task,
            "outcome": step.outcome or "to do",
            "after": len(step.after) if output is Format.TABLE else list(step.after),
            "expected / s": None if step.expected_s is None else round(step.expected_s, 1),
        }
        for step in plan.steps
    ]
    show(rows, output, "Would run, in this order", "nothing to run")
    if output is Format.JSON:
        return
    unknown = sum(step.expected_s is None for step in plan.steps)
    without = f", and {unknown} ABs whose recipe never ran well" if unknown else ""
    typer.echo(
        f"{len(plan.steps)} ABs, at least {plan.expected_s / 60:.1f} min on {plan.slots} slots{without}"
    )
    for name in plan.excluded:
        typer.echo(f"{name} is excluded and does not run")


def _attempt_line(name: str, attempt: Attempt | None, error: Exception | None = None) -> dict[str, Any]:
    if attempt is None:
        return dict.fromkeys(_COLUMNS) | {"AB": name, "outcome": "error", "findings": str(error)}
    values = (
        name,
        attempt.number,
        attempt.outcome.value,
        round(attempt.wall_s, 1),
        attempt.cpu_s,
        attempt.memory_peak_mb,
        "; ".join(attempt.findings),
    )
    return dict(zip(_COLUMNS, values, strict=True))
