"""``phoenix ab``: make ABs, look at them, ask why, compare, accept edits by hand."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from phoenix.chain.sources.protocol import SourceName
from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.explained import explained
from phoenix.cli.output import Format, FormatOption, show
from phoenix.errors import UsageError
from phoenix.model.ab import Tree
from phoenix.model.batch import BatchKey, BatchState
from phoenix.model.report import printable
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository, AbState
from phoenix.store.bad_masters import BadMasterRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.named_trees import NamedTree

app = typer.Typer(no_args_is_help=True, help="Association blocks: what is processed, with what, and why.")

Release = Annotated[str, typer.Argument(help="e.g. UVES_R3")]
Key = Annotated[str, typer.Argument(help="batch key, e.g. 2019-03")]
Name = Annotated[str, typer.Argument(help="name of the AB, <INSTR>.<time>[_<event>].ab")]
NightOption = Annotated[str | None, typer.Option(help="only this night, e.g. 2019-03-04")]


@app.command()
def create(
    release: Release,
    key: Key,
    night: NightOption = None,
    source: Annotated[
        SourceName | None, typer.Option("--from", help="default: as the release says for each night")
    ] = None,
    associations: Annotated[
        Path | None, typer.Option(help="folder of calSelector's XML files; default: the site's")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", "-a", help="only this target of a run: OBS.TARG.NAME, or an AB of it"),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Make the ABs of a batch, or take them from stored trees; exit 1 if some could not be made."""
    from phoenix.chain.create import create_abs

    if associations is not None and source not in (None, SourceName.CALSELECTOR):
        raise UsageError(f"--associations with --from {source}", "only calselector reads them")
    chosen = SourceName.CALSELECTOR if associations is not None else source
    with _own_batch(release, key):
        creation = create_abs(
            get_database(),
            get_configuration(),
            release,
            key,
            [night] if night else None,
            source=chosen,
            associations=associations,
            target=target,
        )
    rows = [
        {
            "night": done.night,
            "from": done.source.value,
            "ABs": len(done.changes),
            **{
                word: sum(change.name.lower() == word for change in done.changes.values())
                for word in ("created", "replaced", "unchanged", "kept")
            },
            "withdrawn": len(done.withdrawn),
            "incomplete": len(done.incomplete),
            "excluded": len(done.excluded),
            "frames left out": len(done.left_out),
            "errors": [str(error) for error in done.errors] if output is Format.JSON else len(done.errors),
            "notes": done.notes if output is Format.JSON else len(done.notes),
        }
        for done in creation.nights
    ]
    show(rows, output, "ABs", "no raw frames in these nights: phoenix frames scan")
    if output is Format.TABLE:
        for note in (note for done in creation.nights for note in done.notes):
            typer.echo(printable(note))
        for error in creation.errors:
            typer.echo(str(error), err=True)
    raise typer.Exit(1 if creation.errors else 0)


@app.command("list")
def list_(
    release: Release,
    key: Annotated[str | None, typer.Argument(help="only this batch")] = None,
    night: NightOption = None,
    task: Annotated[str | None, typer.Option(help="only this task of the cascade, e.g. science")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List ABs by time: outcome, calibration level, reason, and whether what they make was declared bad."""
    get_configuration().release(release)
    with get_database().transaction() as session:
        abs_ = AbRepository(session, _trees())
        if key is None:
            states = [
                s for s in abs_.of_release(release) if task in (None, s.task) and night in (None, s.night)
            ]
        else:
            states = abs_.states(BatchRepository(session).find(release, key).id, task, night)
        bad = BadMasterRepository(session).reasons(release)
    show(
        [_line(state) | {"master": bad.get(state.name, "")} for state in states],
        output,
        "ABs",
        "no ABs: phoenix ab create",
        columns=("AB", "task", "setting", "level", "outcome", "reason", "master"),
    )


@app.command("left-out")
def left_out(
    release: Release, key: Key, night: NightOption = None, output: FormatOption = Format.TABLE
) -> None:
    """List raw frames that pre-selection or their headers keep out of any AB, with code and reason."""
    nights = [night] if night else BatchKey(get_configuration().release(release).batch, key).dates()
    rows = [{"night": of, **frame} for of in nights for frame in _trees().left_out(release, of)]
    show(rows, output, "Frames in no AB", "every classified frame is in an AB")


@app.command("show")
def show_(
    release: Release,
    name: Name,
    tree: Annotated[Tree | None, typer.Option(help="default: the text that counts")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show an AB's text."""
    with get_database().transaction() as session:
        state = AbRepository(session, _trees()).state(release, name)
    chosen = tree or state.tree
    text = _trees().text(release, chosen, state.night, name)
    if output is Format.JSON:
        typer.echo(json.dumps({"name": name, "tree": chosen, "text": text} | _line(state), indent=2))
    else:
        typer.echo(text, nl=False)


@app.command()
def history(release: Release, name: Name, output: FormatOption = Format.TABLE) -> None:
    """List the texts of an AB that were replaced, the oldest first."""
    with get_database().transaction() as session:
        night = AbRepository(session, _trees()).state(release, name).night
    rows = [
        {"tree": old.tree, "written": old.written_at, "sha256": old.sha256[:12], "text": str(old.path)}
        for old in _trees().history(release, night, name)
    ]
    show(rows, output, "Replaced texts", "no text of this AB was ever replaced")


@app.command()
def tree(
    name: Annotated[str, typer.Argument(help="name of a tree, e.g. UVES_R3 or MUSE_smart")],
    check: Annotated[bool, typer.Option("--verify", help="read every AB; exit 1 if one is damaged")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the nights of a tree of ABs with how many it has, or verify its texts."""
    found = NamedTree(get_configuration().folders, name)
    if not found.exists():
        raise UsageError(f"tree {name}", f"there is no folder {found.folder}", "a tree a release has filled")
    if not check:
        rows = [{"night": night, "ABs": len(found.names(night))} for night in found.nights()]
        show(rows, output, f"ABs of tree {name}", "the tree is empty")
        return
    errors = found.verify()
    show([{"AB": error.subject, "found": error.found} for error in errors], output, "Damaged", "all are well")
    raise typer.Exit(1 if errors else 0)


@app.command()
def explain(
    release: Release,
    name: Name,
    every: Annotated[bool, typer.Option("--all", help="all candidates, not only the nearest ones")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Tell why each calibration was chosen, and why not another one."""
    with get_database().transaction() as session:
        night = AbRepository(session, _trees()).state(release, name).night
    content = _trees().explanation(release, night, name)
    typer.echo(json.dumps(content, indent=2) if output is Format.JSON else explained(content, every))


@app.command()
def verify(release: Release, key: Key, output: FormatOption = Format.TABLE) -> None:
    """Ask the sources of a batch again and compare; exit 1 if ABs differ from what they give now."""
    from phoenix.chain.create import verify_abs

    differences = verify_abs(get_database(), get_configuration(), release, key)
    rows = [
        {"AB": each.name, "night": each.night, "what": each.what, "diff": each.diff} for each in differences
    ]
    nothing = "all ABs are as their sources give them"
    show(rows, output, "Differences", nothing, columns=("AB", "night", "what"))
    if output is Format.TABLE:
        for each in differences:
            if each.diff:
                typer.echo("\n".join(["", each.name, *map(printable, each.diff.splitlines())]))
    raise typer.Exit(1 if differences else 0)


@app.command()
def accept(release: Release, name: Name) -> None:
    """Take over an AB's text as you edited it: it is checked, entered in its ledger, and will run again."""
    with get_database().transaction() as session:
        document = AbRepository(session, _trees()).accept(release, name)
    typer.echo(f"{name}: accepted; it will run again with the batch, or now: phoenix ab run {release} {name}")
    for line in document.unknown:
        typer.echo(f"  line {line.number}: {line.key} means nothing to PHOENIX and is kept as it is")


@contextmanager
def _own_batch(release: str, key: str) -> Iterator[None]:
    """Hold the batch while its ABs are made; afterwards it stands as before, a new one as PARTIAL."""
    batch_key = BatchKey(get_configuration().release(release).batch, key)
    owner = f"{getpass.getuser()}@{socket.gethostname()} (phoenix ab create)"
    state, summary = BatchState.PARTIAL, {}
    with get_database().transaction() as session:
        batches = BatchRepository(session)
        for row in batches.all(release):
            if row.key == key and row.state != BatchState.RUNNING:
                state, summary = BatchState(row.state), row.summary
        batches.open(release, batch_key, owner)
    try:
        yield
    finally:
        with get_database().transaction() as session:
            BatchRepository(session).close(release, key, state, summary)


def _trees() -> AbTrees:
    return AbTrees(get_configuration().folders)


def _line(state: AbState) -> dict[str, Any]:
    return {
        "AB": state.name,
        "night": state.night,
        "task": state.task,
        "setting": " ".join(f"{value}" for value in state.setting.values()),
        "calibrations": state.completeness.value,
        "level": state.level,
        "outcome": "excluded" if state.exclusion else state.outcome.value if state.outcome else "to do",
        "reason": f"{state.exclusion}: {state.reason}" if state.exclusion else state.reason,
    }
