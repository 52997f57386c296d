"""Opening and closing a batch: the guard at its beginning, the report and the digest at its end."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import Any

from phoenix.chain.report import TO_DO, batch_report
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError, UsageError
from phoenix.model.batch import BatchKey, BatchState
from phoenix.model.report import BatchReport
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.files import write_atomically


def open_batch(database: Database, configuration: Configuration, release: str, key: str, owner: str) -> None:
    """Guard a batch: the key fits the release, nobody else works on it, the disk has room.

    Raises
    ------
    UsageError
        If the key is not one of this release, or the batch is being processed by another owner.
    InfrastructureError
        If less disk is free than the site wants.
    """
    batch_key = BatchKey(configuration.release(release).batch, key)
    configuration.root.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(configuration.root).free / 1e9
    wanted_gb = configuration.host.min_free_disk_gb
    if free_gb < wanted_gb:
        raise InfrastructureError(
            str(configuration.root),
            f"{free_gb:.1f} GB free",
            f"at least {wanted_gb:.1f} GB (host.min_free_disk_gb in phoenix.yaml)",
            f"free {wanted_gb - free_gb:.1f} GB there, then run the batch again",
        )
    with database.transaction() as session:
        BatchRepository(session).open(release, batch_key, owner)


def close_batch(
    database: Database, configuration: Configuration, release: str, key: str, owner: str, *, tell: bool = True
) -> BatchReport:
    """Close a batch, write its report, and send one digest unless it is DONE.

    Parameters
    ----------
    tell : bool
        False for a run of some steps only, which leaves the others undone on purpose: no digest then.

    Raises
    ------
    UsageError
        If the batch is another owner's: what this owner tried never began.
    """
    with database.transaction() as session:
        row = BatchRepository(session).find(release, key)
        if row.owner != owner:
            raise UsageError(
                f"batch {release} {key}",
                f"is not ours to close; it belongs to {row.owner or 'nobody'}",
                remedy="look at the task open_batch of this run: it tells why the batch could not be opened",
            )
    return _close(database, configuration, release, key, tell=tell)


def close_abandoned(database: Database, configuration: Configuration, release: str, key: str) -> BatchReport:
    """Close a batch that a crash left open, whoever owned it."""
    return _close(database, configuration, release, key, tell=True)


def _close(
    database: Database, configuration: Configuration, release: str, key: str, *, tell: bool
) -> BatchReport:
    state = _state_of(batch_report(database, configuration, release, key))
    with database.transaction() as session:
        BatchRepository(session).close(release, key, state, summary={})
    report = batch_report(database, configuration, release, key)
    summary: dict[str, Any] = {"wall_s": report.wall_s, "recipe_s": report.recipe_s}
    path = configuration.folders.reports / release / f"batch_{key}.json"
    try:
        write_atomically(path, json.dumps(report.as_dict(), indent=2) + "\n")
        summary["report"] = str(path)
    except InfrastructureError as error:
        # The disk may be what made the batch fail: people must hear of it all the more.
        summary["report_error"] = str(error)
    if tell and state is not BatchState.DONE:
        from phoenix.monitor.send import send

        summary["digest"] = send(report, configuration.site.alerts)
        if any(delivery["sent"] for delivery in summary["digest"]):
            summary["digest_sent_at"] = datetime.now(UTC).isoformat()
    with database.transaction() as session:
        BatchRepository(session).find(release, key).summary = summary
    return report


def _state_of(report: BatchReport) -> BatchState:
    """DONE: nothing is missing. FAILED: something went wrong and no science AB gave an IDP. Else PARTIAL.

    What the gate holds is missing until a person opens it, and nothing went wrong.
    """
    undone = any(TO_DO in outcomes for outcomes in report.outcomes.values())
    wrong = bool(report.troubled or report.problems or report.not_ingested)
    if not (undone or wrong or report.held):
        return BatchState.DONE
    wanted = sum(night.science_abs for night in report.nights)
    nothing = wanted and not (report.idps_ingested or report.held)
    return BatchState.FAILED if wrong and nothing else BatchState.PARTIAL
