"""``phoenix frames``: the frame catalogue, what it holds, and what no rule classifies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from phoenix.chain.scan import scan_into_catalogue
from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show
from phoenix.headers.classify import explain_unclassified
from phoenix.model.frame import Frame, FrameKind
from phoenix.store.frames import FrameCatalogue

app = typer.Typer(no_args_is_help=True, help="Frame catalogue: scan folders, list frames, find orphans.")

InstrumentOption = Annotated[str | None, typer.Option(help="e.g. UVES; default all that have rules")]


@app.command()
def scan(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="default: the site's raw, static and masters", exists=True, file_okay=False),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Read what is new or changed, forget what vanished; exit 1 if files cannot be used."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        reading = bar.add_task("reading headers", total=None)
        report = scan_into_catalogue(
            get_database(),
            get_configuration(),
            folders,
            lambda done, total: bar.update(reading, completed=done, total=total),
        )
    counts: dict[str, Any] = {
        "read": report.read,
        "unchanged": report.unchanged,
        "classified anew": report.reclassified,
        "removed": report.removed,
    }
    if output is Format.JSON:
        show([counts | {"problems": report.problems, "notes": report.notes}], output)
    else:
        show([counts | {"problems": len(report.problems)}], output, "Files")
        for sentence in (*report.problems, *report.notes):
            typer.echo(sentence)
    sys.exit(1 if report.problems else 0)


@app.command("list")
def list_(
    instrument: InstrumentOption = None,
    kind: Annotated[list[FrameKind] | None, typer.Option(help="raw, master, static; default all")] = None,
    first: Annotated[str | None, typer.Option(help="first night, e.g. 2019-03-01")] = None,
    last: Annotated[str | None, typer.Option(help="last night; default the first")] = None,
    problems: Annotated[bool, typer.Option(help="files that cannot be used, and notes, instead")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """List frames in order of time; static tables belong to all nights."""
    nights = (first, last or first) if first else None
    with get_database().transaction() as session:
        catalogue = FrameCatalogue(session)
        if problems:
            found = catalogue.problems(nights, notes=True)
            rows: list[dict[str, Any]] = [
                {"path": bad.path, "night": bad.night, "problem": bad.problem, "notes": "; ".join(bad.notes)}
                for bad in found
            ]
        else:
            frames = [
                frame
                for name in _instruments(instrument)
                for frame in catalogue.frames(name, kind or tuple(FrameKind), nights)
            ]
            rows = [_row(frame) for frame in frames]
    nothing = "no such frames; `phoenix frames scan` fills the catalogue"
    columns = () if problems else ("frame", "night", "kind", "class", "exptime_s")
    show(rows, output, "Frames", nothing, columns)


@app.command()
def orphans(instrument: InstrumentOption = None, output: FormatOption = Format.TABLE) -> None:
    """Name frames that no rule classifies, with the nearest rule and why it did not; exit 1 if any."""
    configuration = get_configuration()
    with get_database().transaction() as session:
        found = FrameCatalogue(session).orphans(instrument.upper() if instrument else None)
    rows = [
        {
            "frame": frame.name,
            "night": frame.night if frame.mjd_obs else "",
            "why": explain_unclassified(frame.keywords, configuration.rules(frame.instrument)),
            "path": frame.path,
        }
        for frame in found
    ]
    show(rows, output, "Frames that no rule classifies", "every frame has its class", columns=("path", "why"))
    sys.exit(1 if rows else 0)


def _instruments(instrument: str | None) -> list[str]:
    names = get_configuration().names("rules") if instrument is None else (instrument,)
    return [name.upper() for name in names]


def _row(frame: Frame) -> dict[str, Any]:
    return {
        "frame": frame.name,
        "night": "" if frame.kind is FrameKind.STATIC else frame.night,
        "kind": frame.kind.value,
        "class": frame.raw_class,
        "exptime_s": frame.exptime_s,
        "path": frame.path,
    }
