"""``phoenix qc``: QC1 values, scores, report pictures and trends."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show
from phoenix.errors import UsageError

if TYPE_CHECKING:
    from phoenix.store.qc_progress import QcProgress

app = typer.Typer(no_args_is_help=True, help="QC: QC1 values, scores, reports, trends.")

Release = Annotated[str, typer.Argument(help="e.g. UVES_R3")]
Key = Annotated[str, typer.Argument(help="key of the batch, e.g. 2019-03")]
Night = Annotated[str | None, typer.Option(help="only this night, e.g. 2019-03-04")]
_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)


@app.command()
def measure(
    release: Release,
    key: Key,
    night: Night = None,
    workers: Annotated[int | None, typer.Option(min=1, help="processes; default: the host's slots")] = None,
    again: Annotated[bool, typer.Option("--again", help="also what has its QC already")] = False,
) -> None:
    """Measure, score and draw what has products and no QC of them yet."""
    from phoenix.chain.qc import qc_reports

    with _bar() as tell:
        report = qc_reports(
            get_database(),
            get_configuration(),
            release,
            key,
            night,
            workers=workers,
            again=again,
            progress=tell,
        )
    typer.echo(str(report))
    raise typer.Exit(0 if report.clean else 1)


@contextmanager
def _bar() -> Iterator[Callable[[QcProgress], None]]:
    """Show a progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    words = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[ab]}", style="dim"))
    with Progress(*words, console=Console(stderr=True)) as bar:
        task = bar.add_task("QC", ab="", total=None)
        yield lambda told: bar.update(
            task, description=str(told), total=told.total, completed=told.done, ab=told.ab
        )


@app.command()
def status(release: Release, key: Key, output: FormatOption = Format.TABLE) -> None:
    """Tell how far the QC of a batch is; one line for each part: the batch, a night or a shard of it."""
    from phoenix.store.qc_progress import in_words, read_progress

    rows = [
        {
            "part": one.part,
            "done": one.done,
            "total": one.total,
            "failed": one.failed,
            "left": "" if one.ended or one.eta_s is None else in_words(one.eta_s),
            "as of": f"{one.updated_at:%Y-%m-%d %H:%M:%S}",
            "state": "ended" if one.ended else "running",
        }
        for one in read_progress(get_configuration().folders, release, key)
    ]
    show(rows, output, title=f"QC jobs of {release} {key}", empty="none yet: phoenix qc measure starts them")


@app.command()
def score(release: Release, key: Key, night: Night = None, output: FormatOption = Format.TABLE) -> None:
    """List the ABs of a batch with their verdicts; the reds by name. Exits 1 if there is a red."""
    from phoenix.store.qc import QcRepository

    with get_database().transaction() as session:
        found = QcRepository(session).scores_of_batch(release, key, night)
    rows = [
        {
            "AB": one.ab,
            "night": one.night,
            "task": one.task,
            "green": one.greens,
            "red": len(one.reds),
            "grey": one.greys,
            "not made": one.problems,
            "reds": one.failure or ", ".join(f"{red.parameter} = {red.value:.4g}" for red in one.reds),
        }
        for one in found
    ]
    show(
        rows,
        output,
        title=f"Scores of {release} {key}",
        empty="no QC yet: phoenix qc measure makes it",
        columns=("AB", "task", "green", "red", "grey", "not made", "reds"),
    )
    raise typer.Exit(1 if any(one.reds or one.failure for one in found) else 0)


@app.command()
def problems(release: Release, key: Key, night: Night = None, output: FormatOption = Format.TABLE) -> None:
    """List what could not be measured or drawn, and why. Exits 1 if there is any."""
    from phoenix.store.qc import QcRepository

    rows = []
    with get_database().transaction() as session:
        repository = QcRepository(session)
        for one in repository.scores_of_batch(release, key, night):
            result = repository.of_ab(release, one.ab)
            rows += [
                {"AB": one.ab, "of": problem.subject, "why": problem.reason}
                for problem in (result.problems if result else ())
            ]
    show(rows, output, title=f"Not made in {release} {key}", empty="everything was measured and drawn")
    raise typer.Exit(1 if rows else 0)


@app.command()
def report(release: Release, key: Key, night: Night = None, output: FormatOption = Format.TABLE) -> None:
    """List the report pictures of a batch."""
    from phoenix.store.qc import QcRepository

    rows = []
    with get_database().transaction() as session:
        repository = QcRepository(session)
        for one in repository.scores_of_batch(release, key, night):
            result = repository.of_ab(release, one.ab)
            rows += [
                {"AB": one.ab, "kind": kind, "picture": path}
                for kind, path in (result.reports if result else ())
            ]
    show(
        rows,
        output,
        title=f"Reports of {release} {key}",
        empty="no reports yet: phoenix qc measure makes them",
    )


@app.command()
def trend(
    instrument: Annotated[str, typer.Argument(help="e.g. UVES")],
    parameter: Annotated[str, typer.Argument(help="QC1 parameter, e.g. wave_rms_pix_BLUE")],
    release: Annotated[str | None, typer.Option(help="only this release")] = None,
    plot: Annotated[Path | None, typer.Option(help="also draw it into this PNG file")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List a QC1 parameter over time."""
    from phoenix.store.qc import QcRepository

    with get_database().transaction() as session:
        repository = QcRepository(session)
        points = repository.trend(instrument.upper(), parameter, release)
        if not points:
            known = repository.parameters(instrument.upper())
            near = difflib.get_close_matches(parameter, known, n=5, cutoff=0.4)
            raise UsageError(
                f"parameter {parameter!r} of {instrument.upper()}",
                "has no values",
                f"one of the {len(known)} measured parameters",
                f"did you mean {', '.join(near)}?"
                if near
                else f"see include/config/qc/{instrument.lower()}.yaml",
            )
    if plot:
        from phoenix.qc.pictures.look import png
        from phoenix.qc.pictures.trend import trend_page
        from phoenix.store.files import write_atomically

        write_atomically(plot, png(trend_page(instrument.upper(), parameter, points).figure()))
    rows = [
        {
            "date": (_MJD_EPOCH + timedelta(days=point.mjd_obs)).strftime("%Y-%m-%d %H:%M"),
            f"value {point.unit}".rstrip(): point.value,
            "verdict": point.verdict.name.lower(),
            "low": point.low,
            "high": point.high,
            "release": point.release,
            "AB": point.ab,
        }
        for point in points
    ]
    show(rows, output, title=f"{parameter} of {instrument.upper()}")
