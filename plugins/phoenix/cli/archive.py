"""``phoenix archive``: ingestion, the gate, receipts, fixity."""

from __future__ import annotations

import sys
from random import Random
from typing import Annotated

import typer

from phoenix.archive.fixity import check_file, check_names, sample
from phoenix.archive.local import LocalArchive
from phoenix.chain.ingest import IngestReport, enqueue
from phoenix.chain.ingest import ingest as ingest_queue
from phoenix.chain.ingest import replace as replace_dataset
from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.output import Format, FormatOption, show
from phoenix.model.product import Receipt
from phoenix.store.archive import IngestionQueue, Scope
from phoenix.store.receipts import Receipts

app = typer.Typer(no_args_is_help=True, help="Ingestion queue, local archive, receipts, fixity.")

ReleaseArgument = Annotated[str, typer.Argument(help="release, e.g. UVES_R3")]
KeyArgument = Annotated[str, typer.Argument(help="batch key, e.g. 2019-03")]
NightOption = Annotated[str | None, typer.Option(help="only this night of the batch")]
ReasonOption = Annotated[str, typer.Option(help="why; kept with the receipt")]


@app.command()
def ingest(
    release: ReleaseArgument,
    key: KeyArgument,
    night: NightOption = None,
    retry: Annotated[bool, typer.Option(help="also what failed after all its tries")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Queue the IDPs of a batch and ingest what the gate lets through."""
    database, configuration = get_database(), get_configuration()
    enqueue(database, configuration, release, key, night)
    if retry:
        with database.transaction() as session:
            IngestionQueue(session).try_again(Scope(release, key, night))
    progress = typer.echo if output is Format.TABLE else None
    _tell(ingest_queue(database, configuration, release, key, night, progress), output)


@app.command()
def status(
    release: Annotated[str | None, typer.Argument(help="release; default all")] = None,
    key: Annotated[str | None, typer.Argument(help="batch key; default all")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Count files by batch, state in the queue and standing in the archive; tell what is held or failed."""
    with get_database().transaction() as session:
        receipts = Receipts(session)
        counts = receipts.counts(release, key)
        problems = receipts.standing(Scope(release, key)).problems if release else ()
    show(
        [
            {
                "release": count.release,
                "batch": count.key,
                "state": count.state.value,
                "status": count.status,
                "files": count.files,
                "size_mb": round(count.size_bytes / 1e6, 3),
            }
            for count in counts
        ],
        output,
        empty="nothing in the queue",
    )
    if output is Format.TABLE:
        for problem in problems:
            typer.echo(problem)


@app.command()
def release(release: ReleaseArgument, key: KeyArgument, night: NightOption = None) -> None:
    """Open the gate for a batch: let in what is held."""
    with get_database().transaction() as session:
        files = IngestionQueue(session).open_gate(Scope(release, key, night))
    typer.echo(f"{files} files released; `phoenix archive ingest {release} '{key}'` ingests them")


@app.command()
def receipts(
    release: Annotated[str | None, typer.Argument(help="release; default all")] = None,
    key: Annotated[str | None, typer.Argument(help="batch key; default all")] = None,
    history: Annotated[bool, typer.Option(help="also obsolete and hidden versions")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """List what the archive has confirmed."""
    with get_database().transaction() as session:
        scope = Scope(release, key) if release else None
        rows = [_row(receipt) for receipt in Receipts(session).all(scope, history)]
    show(rows, output, empty="no receipts", columns=("arcfile", "version", "status", "origfile", "remark"))


@app.command()
def verify(
    release: Annotated[str | None, typer.Argument(help="release; default all")] = None,
    percent: Annotated[
        float, typer.Option("--sample", min=0, max=100, help="percentage of the files, chosen at random")
    ] = 100,
    output: FormatOption = Format.TABLE,
) -> None:
    """Read every byte again: sizes, hashes, FITS checksums, files without receipt; exit code 1 if any."""
    archive = LocalArchive(get_configuration().folders.archive)
    with get_database().transaction() as session:
        everything = list(Receipts(session).all(history=True))
        chosen = list(Receipts(session).all(Scope(release), history=True)) if release else everything
    chosen = sample(chosen, percent, Random())  # noqa: S311 (a sample, no secret)
    findings = [finding for receipt in chosen for finding in check_file(archive, receipt)]
    findings += check_names(archive, (receipt.arcfile for receipt in everything))
    show(
        [{"rule": found.rule, "where": found.where, "message": found.message} for found in findings],
        output,
        empty=f"{len(chosen)} of {len(everything)} files read, {_volume(chosen)}: all as received",
    )
    sys.exit(1 if findings else 0)


@app.command()
def hide(arcfile: Annotated[str, typer.Argument(help="archive name")], reason: ReasonOption) -> None:
    """Deprecate a file, with its ancillary files when it is a science product; nothing is deleted."""
    with get_database().transaction() as session:
        hidden = Receipts(session).hide(arcfile, reason)
    for receipt in hidden:
        typer.echo(f"{receipt.arcfile} ({receipt.origfile}) is hidden")


@app.command()
def replace(
    arcfile: Annotated[str, typer.Argument(help="archive name of any file of the dataset")],
    reason: ReasonOption,
    output: FormatOption = Format.TABLE,
) -> None:
    """Archive a dataset that was converted anew as the next version; the former becomes obsolete."""
    _tell(replace_dataset(get_database(), get_configuration(), arcfile, reason), output)


def _tell(report: IngestReport, output: Format) -> None:
    counts = {
        "archived": report.archived,
        "already": report.already,
        "held": report.held,
        "failed": report.failed,
        "waiting": report.waiting,
    }
    if output is Format.JSON:
        show([{**counts, "problems": list(report.problems)}], output)
    else:
        show([counts], output, title="files")
        for problem in report.problems:
            typer.echo(problem)
    sys.exit(0 if report.clean else 1)


def _row(receipt: Receipt) -> dict[str, object]:
    return {
        "arcfile": receipt.arcfile,
        "origfile": receipt.origfile,
        "version": receipt.version,
        "status": receipt.status.value,
        "size_bytes": receipt.size_bytes,
        "sha256": receipt.sha256,
        "received_at": receipt.received_at.isoformat(timespec="seconds"),
        "remark": receipt.remark,
    }


def _volume(chosen: list[Receipt]) -> str:
    return f"{sum(receipt.size_bytes for receipt in chosen) / 1e6:.1f} MB"
