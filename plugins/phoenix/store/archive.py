"""The ingestion queue and the receipts: who may work on what, what is confirmed, what is current.

A dataset is a science product with its ancillary files. It is worked on by one ingester at a time, under a
row lock on the science product's IDP row; the lock goes with the ingester, also when that is killed. All the
rest is committed step by step in transactions of their own, so that another ingester can go on where one
stopped.

An ancillary file that several science products name is part of each of their datasets, and archived once:
whoever comes first does it, under a lock on the file that the others wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select, text
from sqlalchemy.orm import Session

from phoenix.model.product import FileStatus, IngestState
from phoenix.store.tables import AbRow, BatchRow, IdpRow, IdpShareRow, IngestionRow, ScoreRow

#: Any constant will do; whoever gives out archive names does so alone.
_NAMES_LOCK = 7_402_020
_RED = 1
_Column = TypeVar("_Column")
#: Gives archive names to original names, all after the latest so far (None: there is none).
Names = Callable[[str | None, Sequence[str]], list[str]]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the queue: a release, a batch of it, a night of that."""

    release: str
    key: str | None = None
    night: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A converted dataset as the gate sees it.

    Attributes
    ----------
    files
        The science product first.
    reds
        QC1 parameters of its AB with a red score.
    """

    files: tuple[IdpRow, ...]
    reds: tuple[str, ...]

    @property
    def head(self) -> IdpRow:
        """The science product."""
        return self.files[0]


@dataclass(frozen=True, slots=True)
class QueuedFile:
    """A file of a dataset an ingester has claimed.

    Attributes
    ----------
    shared
        Whether other datasets have it too.
    """

    row_id: int
    idp_id: int
    origfile: str
    path: str
    sha256: str
    state: IngestState
    tries: int
    arcfile: str
    #: Digest of the archive form, once it was written in full.
    archive_sha256: str | None
    size_bytes: int | None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """A claimed dataset: ancillary files first, the science product last, all with archive names."""

    head_id: int
    files: tuple[QueuedFile, ...]


class IngestionQueue:
    """The queue, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def heads(self, scope: Scope) -> list[int]:
        """Return the science products that were converted, by their IDP rows, in order."""
        return list(self._session.scalars(within(scope, select(IdpRow.id)).where(IdpRow.parent_id.is_(None))))

    def waiting(self, scope: Scope) -> list[int]:
        """Return the science products whose datasets may be ingested now."""
        query = within(scope, select(IdpRow.id).join(IngestionRow, IngestionRow.idp_id == IdpRow.id))
        return list(
            self._session.scalars(
                query.where(IdpRow.parent_id.is_(None), IngestionRow.state == IngestState.PENDING.value)
            )
        )

    def candidate(self, head_id: int) -> Candidate:
        """Return a dataset for the gate; nobody ingests it until this transaction ends."""
        head = self._session.scalars(_lock(head_id)).one()
        reds = self._session.scalars(
            select(ScoreRow.parameter)
            .where(ScoreRow.ab_id == head.ab_id, ScoreRow.verdict == _RED)
            .order_by(ScoreRow.parameter)
        )
        return Candidate((head, *self._ancillary(head_id)), tuple(reds))

    def enter(self, candidate: Candidate, state: IngestState, reason: str, named: Collection[str]) -> None:
        """Put a dataset into the queue as the gate judged it.

        What is archived is not queued again. A product with other content gets the next version; so does the
        science product when one of its ancillary files changed, because its header names them. What waits, or
        failed, keeps its place; what was held or rejected is judged anew.

        Parameters
        ----------
        named
            Original names of the ancillary files the science product names; others are rejected.
        """
        latest = self._latest([file.id for file in candidate.files])
        shared = self._shared([file.id for file in candidate.files])
        head_row = latest.get(candidate.head.id)
        changed = False
        for file in candidate.files[1:]:
            row = latest.get(file.id)
            if file.origfile in named:
                if row is not None and head_row is not None:
                    # Another dataset that shares the file has brought its next version already.
                    changed |= row.id > head_row.id
                if (
                    row is None
                    or file.id not in shared
                    or state is IngestState.PENDING
                    or _differs(row, file)
                ):
                    changed |= self._enter(file, row, state, reason)
            elif row is not None and row.state == IngestState.ARCHIVED:
                row.status = FileStatus.OBSOLETE.value
            else:
                stray = f"no ASSONi of {candidate.head.origfile} names it"
                self._enter(file, row, IngestState.REJECTED, stray)
        self._enter(candidate.head, head_row, state, reason, renew=changed)

    def _enter(
        self, file: IdpRow, row: IngestionRow | None, state: IngestState, reason: str, renew: bool = False
    ) -> bool:
        """Queue one file; return whether it is to be archived (again)."""
        changed = renew or row is None or _differs(row, file)
        if row is None or (changed and row.state == IngestState.ARCHIVED):
            row = IngestionRow(
                idp_id=file.id,
                release=file.release,
                origfile=file.origfile,
                version=row.version + 1 if row else 1,
                state=state.value,
                tries=0,
            )
            self._session.add(row)
        elif row.state == IngestState.ARCHIVED:
            return False
        judged_before = row.state in {IngestState.PENDING, IngestState.FAILED}
        if changed or state is IngestState.REJECTED or not judged_before:
            row.state, row.error, row.tries = state.value, reason, 0
        if changed:
            row.source_sha256, row.archive_sha256 = file.sha256, None
        return changed

    def claim(self, head_id: int) -> bool:
        """Take a dataset until this transaction ends; False when another ingester has it."""
        return self._session.scalars(_lock(head_id, skip=True)).first() is not None

    def open(self, head_id: int, names: Names) -> Dataset | None:
        """Return a claimed dataset, every file with an archive name; None when it no longer waits.

        Parameters
        ----------
        names
            Gives the names of the files that have none yet, the science product first. They are given out
            under a lock, so that they are unique and grow with time whoever asks.
        """
        files = {
            file.id: file for file in [self._session.get_one(IdpRow, head_id), *self._ancillary(head_id)]
        }
        latest = self._latest(files)
        if (head := latest.get(head_id)) is None or head.state != IngestState.PENDING:
            return None
        rows = [latest[idp_id] for idp_id in files if idp_id in latest and _belongs(latest[idp_id])]
        self._name([row for row in rows if row.arcfile is None], names)
        last_the_head = [*rows[1:], rows[0]]
        shared = self._shared(files)
        return Dataset(
            head_id,
            tuple(_queued(row, files[row.idp_id].path, row.idp_id in shared) for row in last_the_head),
        )

    def alone(self, file: QueuedFile) -> QueuedFile:
        """Wait for a shared file, keep it until this transaction ends, and read it anew."""
        self._session.execute(_lock(file.idp_id))
        return _queued(self._row(file.row_id), file.path, shared=True)

    def _name(self, rows: Sequence[IngestionRow], names: Names) -> None:
        if not rows:
            return
        self._session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _NAMES_LOCK})
        # A shared file may have got its name with another dataset, while this one waited for the lock.
        for row in rows:
            self._session.refresh(row, ["arcfile"])
        rows = [row for row in rows if row.arcfile is None]
        last = self._session.scalar(select(func.max(IngestionRow.arcfile)))
        for row, arcfile in zip(rows, names(last, [row.origfile for row in rows]), strict=True):
            row.arcfile = arcfile

    def begin(self, row_id: int) -> None:
        """Count a try before it is made, so that a file that kills its ingester is not tried for ever."""
        self._not_awaited()
        self._row(row_id).tries += 1

    def note_staged(self, row_id: int, size_bytes: int, sha256: str) -> None:
        """Note what the archive form is, before it gets its name."""
        self._not_awaited()
        row = self._row(row_id)
        row.size_bytes, row.archive_sha256 = size_bytes, sha256

    def receive(self, row_id: int, location: str, moment: datetime) -> None:
        """Write the receipt of a file the archive confirmed."""
        row = self._row(row_id)
        row.state, row.error = IngestState.ARCHIVED.value, ""
        row.archive_path, row.received_at = location, moment

    def confirm(self, dataset: Dataset) -> None:
        """Make a dataset current as a whole, its files having receipts; what it replaces becomes obsolete."""
        members = {file.row_id for file in dataset.files}
        rows = self._session.scalars(
            select(IngestionRow)
            .join(IdpRow, IdpRow.id == IngestionRow.idp_id)
            .where(
                or_(IdpRow.id == dataset.head_id, goes_with(dataset.head_id)),
                IngestionRow.state == IngestState.ARCHIVED.value,
                IngestionRow.status != FileStatus.DEPRECATED.value,
            )
        )
        for row in rows:
            row.status = (FileStatus.CURRENT if row.id in members else FileStatus.OBSOLETE).value

    def refuse(self, row_id: int, state: IngestState, error: str) -> None:
        """Note why a file did not get in: PENDING (to be tried again), FAILED or REJECTED."""
        row = self._row(row_id)
        row.state, row.error = state.value, error

    def open_gate(self, scope: Scope) -> int:
        """Let in what is held; return how many files."""
        return self._move(scope, IngestState.HELD)

    def try_again(self, scope: Scope) -> int:
        """Give what failed its tries back; return how many files."""
        return self._move(scope, IngestState.FAILED)

    def _move(self, scope: Scope, state: IngestState) -> int:
        ids = within(scope, select(IdpRow.id))
        rows = self._session.scalars(
            select(IngestionRow).where(IngestionRow.idp_id.in_(ids), IngestionRow.state == state.value)
        ).all()
        for row in rows:
            row.state, row.error, row.tries = IngestState.PENDING.value, "", 0
        return len(rows)

    def _ancillary(self, head_id: int) -> list[IdpRow]:
        return list(self._session.scalars(select(IdpRow).where(goes_with(head_id)).order_by(IdpRow.id)))

    def _shared(self, idp_ids: Collection[int]) -> set[int]:
        query = select(IdpShareRow.idp_id).where(IdpShareRow.idp_id.in_(idp_ids))
        return set(self._session.scalars(query))

    def _latest(self, idp_ids: Collection[int]) -> dict[int, IngestionRow]:
        rows = self._session.scalars(
            select(IngestionRow)
            .where(IngestionRow.idp_id.in_(idp_ids))
            .order_by(IngestionRow.idp_id, IngestionRow.version)
        )
        return {row.idp_id: row for row in rows}

    def _row(self, row_id: int) -> IngestionRow:
        return self._session.get_one(IngestionRow, row_id)

    def _not_awaited(self) -> None:
        """Do not wait for the disk: should the server lose this note, the file is only written once more."""
        self._session.execute(text("SET LOCAL synchronous_commit = off"))


def goes_with(head_id: int) -> ColumnElement[bool]:
    """Select the ancillary files of a science product, its own and those it shares with others."""
    shared = select(IdpShareRow.idp_id).where(IdpShareRow.head_id == head_id)
    return or_(IdpRow.parent_id == head_id, IdpRow.id.in_(shared))


def within(scope: Scope, query: Select[_Column]) -> Select[_Column]:
    """Restrict a query that has the IDP table in it."""
    query = query.where(IdpRow.release == scope.release)
    if scope.key is not None or scope.night is not None:
        query = query.join(AbRow, AbRow.id == IdpRow.ab_id)
    if scope.key is not None:
        query = query.join(BatchRow, BatchRow.id == AbRow.batch_id).where(BatchRow.key == scope.key)
    if scope.night is not None:
        query = query.where(AbRow.night == scope.night)
    return query.order_by(IdpRow.id)


def _lock(head_id: int, skip: bool = False) -> Select[IdpRow]:
    # Not a full FOR UPDATE: new rows of the queue refer to the locked row and must not wait for themselves.
    return select(IdpRow).where(IdpRow.id == head_id).with_for_update(key_share=True, skip_locked=skip)


def _differs(row: IngestionRow, file: IdpRow) -> bool:
    return row.source_sha256 != file.sha256


def _belongs(row: IngestionRow) -> bool:
    """Whether a file is part of the dataset as it is now; what the science product no longer names is not."""
    return row.state == IngestState.PENDING or (
        row.state == IngestState.ARCHIVED and row.status != FileStatus.OBSOLETE
    )


def _queued(row: IngestionRow, path: str, shared: bool) -> QueuedFile:
    return QueuedFile(
        row.id,
        row.idp_id,
        row.origfile,
        path,
        row.source_sha256,
        IngestState(row.state),
        row.tries,
        row.arcfile or "",
        row.archive_sha256,
        row.size_bytes,
        shared,
    )
