"""Ingestion of a batch: converted datasets into the queue, through the gate, into the archive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from phoenix.archive.fitsverify import fitsverify
from phoenix.archive.gate import judge
from phoenix.archive.ingester import Ingester, Progress
from phoenix.archive.local import LocalArchive
from phoenix.config.loader import Configuration
from phoenix.errors import ArchiveError
from phoenix.store.archive import IngestionQueue, Scope
from phoenix.store.database import Database
from phoenix.store.receipts import Receipts, Standing

#: Most of the time of a small file goes into waiting for the disk and for fitsverify.
_WORKERS = 4
#: Datasets judged in one transaction.
_JUDGED_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingestion came to, in files.

    Attributes
    ----------
    archived
        By this call.
    failed
        Not fit, given up, or to be tried again.
    already
        Archived before this call.
    waiting
        In the hands of another ingester.
    problems
        One sentence for each file that is held or failed.
    """

    archived: int
    held: int
    failed: int
    already: int
    waiting: int = 0
    problems: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing failed; what a person holds back is no failure."""
        return not self.failed

    def __str__(self) -> str:
        counts = (
            f"{self.archived} files archived, {self.already} before; "
            f"{self.held} held, {self.failed} failed, {self.waiting} waiting"
        )
        return "\n".join([counts, *self.problems])


def enqueue(
    database: Database, configuration: Configuration, release: str, key: str, night: str | None = None
) -> Standing:
    """Put the converted datasets of a batch into the queue, as the gate judges them.

    What is archived with the same content is not queued again; other content becomes the next version.

    Parameters
    ----------
    night : str, optional
        Only the datasets of this night.
    """
    scope = Scope(release, key, night)
    with database.transaction() as session:
        heads = IngestionQueue(session).heads(scope)
    for start in range(0, len(heads), _JUDGED_TOGETHER):
        _judge(database, configuration, release, heads[start : start + _JUDGED_TOGETHER])
    return _standing(database, scope)


def ingest(
    database: Database,
    configuration: Configuration,
    release: str,
    key: str | None = None,
    night: str | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Ingest what waits in the queue; each file is tried once in a call.

    Several ingesters may run at the same time, on one or on several hosts.

    Parameters
    ----------
    progress : callable, optional
        Called with one line for each file that was dealt with.

    Raises
    ------
    InfrastructureError
        If the database or fitsverify is not there. Errors of single files are told in the report.
    """
    scope = Scope(release, key, night)
    with database.transaction() as session:
        heads = IngestionQueue(session).waiting(scope)
    return _ingest(database, configuration, scope, heads, progress)


def replace(database: Database, configuration: Configuration, arcfile: str, reason: str) -> IngestReport:
    """Archive the present content of a dataset as the next version of the one `arcfile` belongs to.

    Raises
    ------
    UsageError
        If there is no such file.
    ArchiveError
        If its content has not changed, or may not enter.
    """
    with database.transaction() as session:
        scope, head_id = Receipts(session).head_of(arcfile)
    _judge(database, configuration, scope.release, [head_id])
    with database.transaction() as session:
        if head_id not in IngestionQueue(session).waiting(scope):
            raise ArchiveError(
                arcfile,
                Receipts(session).trouble(head_id) or "its content is archived already",
                "a dataset converted anew and fit for the archive",
                "convert the product again, then repeat",
            )
        Receipts(session).remark(head_id, reason)
    return _ingest(database, configuration, scope, [head_id], None)


def _judge(database: Database, configuration: Configuration, release: str, heads: list[int]) -> None:
    ingestion = configuration.release(release).ingestion
    with database.transaction() as session:
        queue = IngestionQueue(session)
        for head_id in heads:
            candidate = queue.candidate(head_id)
            judgement = judge(candidate, ingestion)
            queue.enter(candidate, judgement.state, judgement.reason, judgement.named)


def _ingest(
    database: Database,
    configuration: Configuration,
    scope: Scope,
    heads: list[int],
    progress: Progress | None,
) -> IngestReport:
    before = _standing(database, scope)
    ingester = Ingester(
        database,
        LocalArchive(configuration.folders.archive),
        fitsverify,
        configuration.release(scope.release).ingestion.tries,
        progress or _silent,
    )
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="ingest") as pool:
        jobs = [pool.submit(ingester.ingest, head_id) for head_id in heads]
        try:
            archived = sum(job.result() for job in jobs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    after = _standing(database, scope)
    return IngestReport(
        archived, after.held, after.rejected + after.failed, before.archived, after.waiting, after.problems
    )


def _standing(database: Database, scope: Scope) -> Standing:
    with database.transaction() as session:
        return Receipts(session).standing(scope)


def _silent(_line: str) -> None:
    """Take lines nobody wants."""
