"""``phoenix masters``: what a calibration went into, and what to do when it turned out bad."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show
from phoenix.errors import UsageError
from phoenix.store.bad_masters import BadMasterRepository, Declaration
from phoenix.store.masters import MadeIdp, MasterRepository, Usage

app = typer.Typer(no_args_is_help=True, help="Calibrations: what they went into, and which are bad.")

MasterWords = Annotated[
    str, typer.Argument(metavar="MASTER", help="path or name of the file, or name of the AB that makes it")
]
ReleaseOption = Annotated[
    str | None, typer.Option("--release", help="release of the AB, where several have one of that name")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="NIGHT", help="only ABs of this night and later")
]


@app.command("used-by")
def used_by(
    master: MasterWords,
    catg: Annotated[str | None, typer.Argument(help="only used as this PRO.CATG")] = None,
    release: ReleaseOption = None,
    since: SinceOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the ABs of all releases a calibration went into, and the IDPs that came of them."""
    from phoenix.chain.masters import selection
    from phoenix.chain.masters import used_by as used_by_

    used = used_by_(get_database(), get_configuration(), master, catg, release, since)
    if output is Format.JSON:
        typer.echo(json.dumps(selection(used), indent=2))
    else:
        _told(used.users, used.idps, used.bad)
    for problem in used.unread:
        typer.echo(f"not known what it uses: {problem}", err=True)
    raise typer.Exit(1 if used.unread else 0)


@app.command()
def bad(
    master: MasterWords,
    reason: Annotated[str, typer.Option(help="why; a reader in ten years must understand it")] = "",
    release: ReleaseOption = None,
    since: SinceOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="it is good after all")] = False,
    file: Annotated[
        Path | None, typer.Option("--selection", help="write what has to be made again to this file (JSON)")
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Declare a calibration bad: associations take another one. Lists what had been made with it."""
    from phoenix.chain.masters import declare_bad, undo_bad

    database, by = get_database(), getpass.getuser()
    if undo:
        if file is not None or since is not None:
            raise UsageError("--undo", "together with --selection or --since", "one of them")
        undone = undo_bad(database, master, by, reason, release)
        typer.echo(f"{undone.master}: no longer bad (was {undone})")
        typer.echo("associate the batches again: phoenix ab create RELEASE KEY")
        return
    used = declare_bad(database, get_configuration(), master, reason, by, release, since)
    (declaration,) = used.bad
    if file is not None:
        _write(file, declaration)
    if output is Format.JSON:
        typer.echo(json.dumps(declaration.selection, indent=2))
        return
    _told(used.users, used.idps, used.bad)
    for of, key in dict.fromkeys((user.release, user.key) for user in used.users):
        typer.echo(f"associate again: phoenix ab create {of} '{key}'")


@app.command("list")
def list_(
    only_bad: Annotated[bool, typer.Option("--bad", help="only those declared bad")] = False,
    history: Annotated[bool, typer.Option("--history", help="with --bad: also what was undone")] = False,
    release: Annotated[str | None, typer.Option(help="only what ABs of this release use")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List calibrations ABs use, or those declared bad with who, when and why."""
    if history and not only_bad:
        raise UsageError("--history", "is of declarations", "--bad --history")
    with get_database().transaction() as session:
        if only_bad:
            rows = [_line(each, output) for each in BadMasterRepository(session).all(history)]
            show(rows, output, "Bad masters", "no master is declared bad")
            return
        reasons = {each.master for each in BadMasterRepository(session).all()}
        rows = [
            {
                "master": str(each.master),
                "PRO.CATG": each.tag,
                "status": each.status,
                "ABs": each.abs,
                "bad": "bad" if each.master in reasons else "",
            }
            for each in MasterRepository(session).used(release)
        ]
    show(rows, output, "Masters", "no AB uses a calibration")


@app.command()
def index(output: FormatOption = Format.TABLE) -> None:
    """Make the index behind these questions anew from the AB texts, e.g. after restoring a backup."""
    from phoenix.chain.masters import index_abs

    number, problems = index_abs(get_database(), get_configuration())
    if output is Format.JSON:
        typer.echo(json.dumps({"abs": number, "problems": [str(problem) for problem in problems]}, indent=2))
    else:
        typer.echo(f"{number} ABs, {len(problems)} could not be read")
        for problem in problems:
            typer.echo(str(problem), err=True)
    raise typer.Exit(1 if problems else 0)


def _told(users: Iterable[Usage], idps: dict[int, list[MadeIdp]], bad: Iterable[Declaration]) -> None:
    for declaration in bad:
        typer.echo(f"{declaration.master}: {declaration}")
    rows = [
        {
            "release": user.release,
            "batch": user.key,
            "AB": user.name,
            "task": user.task,
            "used as": ", ".join(user.tags) or "by way of others",
            "outcome": user.outcome,
            "IDPs": ", ".join(_idp(idp) for idp in idps.get(user.ab_id, ()) if _is_science(idp)),
        }
        for user in users
    ]
    show(rows, Format.TABLE, "ABs it went into", "no AB uses it")


def _idp(idp: MadeIdp) -> str:
    return f"{idp.arcfile or idp.origfile} ({idp.standing})"


def _is_science(idp: MadeIdp) -> bool:
    return not idp.prodcatg.startswith("ANCILLARY")


def _line(declaration: Declaration, output: Format) -> dict[str, Any]:
    batches = declaration.selection.get("batches", [])
    line: dict[str, Any] = {
        "master": declaration.master.source,
        "release": declaration.master.release or "all",
        "by": declaration.declared_by,
        "at (UTC)": f"{declaration.declared_at:%Y-%m-%d %H:%M}",
        "reason": declaration.reason,
        "ABs then": sum(len(batch["abs"]) for batch in batches),
        "undone": "",
    }
    if declaration.undone_at is not None:
        why = f": {declaration.undone_reason}" if declaration.undone_reason else ""
        line["undone"] = f"by {declaration.undone_by} on {declaration.undone_at:%Y-%m-%d}{why}"
    return line | ({"selection": declaration.selection} if output is Format.JSON else {})


def _write(file: Path, declaration: Declaration) -> None:
    from phoenix.store.files import write_atomically

    write_atomically(file, json.dumps(declaration.selection, indent=2) + "\n")
