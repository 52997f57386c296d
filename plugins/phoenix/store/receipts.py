"""What the archive has confirmed: receipts, their standing, and how the queue of a batch stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from phoenix.errors import ArchiveError, UsageError
from phoenix.model.product import FileStatus, IngestState, Receipt
from phoenix.store.archive import Scope, goes_with, within
from phoenix.store.tables import AbRow, BatchRow, IdpRow, IdpShareRow, IngestionRow


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many files of a batch are in one state; ``status`` is empty for what has no receipt."""

    release: str
    key: str
    state: IngestState
    status: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How many files of a scope wait, are held, rejected, failed (or wait for another try), archived.

    Attributes
    ----------
    problems
        One sentence for each file that is held, rejected or failed.
    """

    waiting: int
    held: int
    rejected: int
    failed: int
    archived: int
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.waiting} files wait for ingestion, {self.held} held, {self.rejected} rejected, "
            f"{self.failed} failed, {self.archived} archived"
        )


class Receipts:
    """The receipts, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, scope: Scope | None = None, history: bool = False) -> Iterator[Receipt]:
        """Yield receipts in order of time.

        Parameters
        ----------
        history
            Also those of files that are obsolete, deprecated or of an incomplete dataset.
        """
        query = select(IngestionRow).where(IngestionRow.state == IngestState.ARCHIVED.value)
        if scope is not None:
            query = query.where(IngestionRow.idp_id.in_(within(scope, select(IdpRow.id))))
        if not history:
            query = query.where(IngestionRow.status == FileStatus.CURRENT.value)
        for row in self._session.scalars(query.order_by(IngestionRow.arcfile)):
            yield _receipt(row)

    def standing(self, scope: Scope) -> Standing:
        """Return how the newest version of each file of a scope stands."""
        rows = self._newest(scope)
        # A file that had an error and will be tried again is not done: people count it as failed.
        states = Counter(
            IngestState.FAILED if row.error and row.state == IngestState.PENDING else IngestState(row.state)
            for row in rows
        )
        return Standing(
            states[IngestState.PENDING],
            states[IngestState.HELD],
            states[IngestState.REJECTED],
            states[IngestState.FAILED],
            states[IngestState.ARCHIVED],
            tuple(_trouble(row) for row in rows if row.error),
        )

    def trouble(self, head_id: int) -> str:
        """Return why the newest version of a product is not archived; empty when there is no reason."""
        row = self._newest_of([head_id])[0]
        return _trouble(row) if row.error else ""

    def counts(self, release: str | None = None, key: str | None = None) -> list[QueueCount]:
        """Count files by batch, state and standing, all versions."""
        query = (
            select(
                BatchRow.release,
                BatchRow.key,
                IngestionRow.state,
                IngestionRow.status,
                func.count(),
                func.sum(IdpRow.size_bytes),
            )
            .join(IdpRow, IdpRow.id == IngestionRow.idp_id)
            .join(AbRow, AbRow.id == IdpRow.ab_id)
            .join(BatchRow, BatchRow.id == AbRow.batch_id)
            .group_by(BatchRow.release, BatchRow.key, IngestionRow.state, IngestionRow.status)
            .order_by(BatchRow.release, BatchRow.key, IngestionRow.state, IngestionRow.status)
        )
        if release is not None:
            query = query.where(BatchRow.release == release)
        if key is not None:
            query = query.where(BatchRow.key == key)
        return [
            QueueCount(
                of_release,
                of_key,
                IngestState(state),
                status if state == IngestState.ARCHIVED else "",
                files,
                int(size_bytes),
            )
            for of_release, of_key, state, status, files, size_bytes in self._session.execute(query)
        ]

    def hide(self, arcfile: str, reason: str) -> list[Receipt]:
        """Deprecate a file, with its ancillary files when it is a science product; nothing is deleted.

        Raises
        ------
        UsageError
            If there is no such file, or it is not current.
        """
        row = self._named(arcfile)
        if row.status != FileStatus.CURRENT.value:
            raise UsageError(
                arcfile, f"is {row.status}", "a current file", "see `phoenix archive receipts --history`"
            )
        rows = [row, *self._current_ancillary(row)]
        for hidden in rows:
            hidden.status, hidden.remark = FileStatus.DEPRECATED.value, reason
        return [_receipt(hidden) for hidden in rows]

    def head_of(self, arcfile: str) -> tuple[Scope, int]:
        """Return the scope and the science product of the dataset an archived file belongs to.

        Raises
        ------
        UsageError
            If there is no such file.
        """
        row = self._named(arcfile)
        idp = self._session.get_one(IdpRow, row.idp_id)
        ab = self._session.get_one(AbRow, idp.ab_id)
        batch = self._session.get_one(BatchRow, ab.batch_id)
        return Scope(idp.release, batch.key, ab.night), idp.parent_id or idp.id

    def remark(self, head_id: int, remark: str) -> None:
        """Say of the newest version of a science product why it replaces the one before."""
        self._newest_of([head_id])[0].remark = remark

    def _named(self, arcfile: str) -> IngestionRow:
        row = self._session.scalar(
            select(IngestionRow).where(
                IngestionRow.arcfile == arcfile, IngestionRow.state == IngestState.ARCHIVED.value
            )
        )
        if row is None:
            raise UsageError(
                arcfile, "is not in the archive", remedy="see `phoenix archive receipts --history`"
            )
        return row

    def _current_ancillary(self, row: IngestionRow) -> list[IngestionRow]:
        """Return what goes with a science product and with no other that is current."""
        rows = self._session.scalars(
            select(IngestionRow)
            .join(IdpRow, IdpRow.id == IngestionRow.idp_id)
            .where(goes_with(row.idp_id), IngestionRow.status == FileStatus.CURRENT.value)
        ).all()
        return [file for file in rows if not self._others_current(file.idp_id, row.idp_id)]

    def _others_current(self, idp_id: int, head_id: int) -> bool:
        parent = select(IdpRow.parent_id).where(IdpRow.id == idp_id)
        further = select(IdpShareRow.head_id).where(IdpShareRow.idp_id == idp_id)
        others = select(IngestionRow.id).where(
            IngestionRow.idp_id.in_(parent) | IngestionRow.idp_id.in_(further),
            IngestionRow.idp_id != head_id,
            IngestionRow.status == FileStatus.CURRENT.value,
        )
        return self._session.scalar(others.limit(1)) is not None

    def _newest(self, scope: Scope) -> list[IngestionRow]:
        return self._newest_of(list(self._session.scalars(within(scope, select(IdpRow.id)))))

    def _newest_of(self, idp_ids: list[int]) -> list[IngestionRow]:
        newer = aliased(IngestionRow)
        later = select(newer.id).where(
            newer.idp_id == IngestionRow.idp_id, newer.version > IngestionRow.version
        )
        return list(
            self._session.scalars(
                select(IngestionRow)
                .where(IngestionRow.idp_id.in_(idp_ids), ~later.exists())
                .order_by(IngestionRow.idp_id)
            )
        )


def _trouble(row: IngestionRow) -> str:
    state = "will be tried again" if row.state == IngestState.PENDING else row.state
    return f"{row.origfile}: {state}: {row.error}"


def _receipt(row: IngestionRow) -> Receipt:
    if row.arcfile is None or row.archive_sha256 is None or row.size_bytes is None or row.received_at is None:
        raise ArchiveError(
            row.origfile,
            "is marked archived without a complete receipt",
            "name, size, hash and time",
            "the table was changed by hand: restore it from a backup",
        )
    return Receipt(
        row.origfile,
        row.arcfile,
        row.archive_path or "",
        row.size_bytes,
        row.archive_sha256,
        row.version,
        row.received_at,
        FileStatus(row.status),
        row.remark,
    )
