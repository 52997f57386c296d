"""Batches: one running at a time per release and key, and what each came to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from phoenix.errors import UsageError
from phoenix.model.batch import BatchKey, BatchState
from phoenix.store.tables import BatchRow


class BatchRepository:
    """Batches of all releases, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, release: str, key: BatchKey, owner: str) -> BatchRow:
        """Open a batch for an owner, e.g. a DAG run; the same owner may open it again.

        Raises
        ------
        UsageError
            If somebody else is processing this key.
        """
        now = datetime.now(UTC)
        self._session.execute(
            insert(BatchRow)
            .values(
                release=release,
                key=key.text,
                kind=key.kind.value,
                state=BatchState.DONE.value,
                owner="",
                opened_at=now,
                summary={},
                problems=[],
            )
            .on_conflict_do_nothing()
        )
        row = self._locked(release, key.text)
        if row.owner != owner:
            _refuse_if_running(row)
        row.state, row.owner = BatchState.RUNNING.value, owner
        row.opened_at, row.closed_at, row.problems = now, None, []
        return row

    def refuse_if_running(self, release: str, key: str) -> None:
        """Keep a batch from being opened until the end of the transaction.

        Raises
        ------
        UsageError
            If it is being processed.
        """
        _refuse_if_running(self._locked(release, key))

    def find(self, release: str, key: str) -> BatchRow:
        """Return the batch of that release and key.

        Raises
        ------
        UsageError
            If it was never opened.
        """
        row = self._session.scalar(select(BatchRow).where(BatchRow.release == release, BatchRow.key == key))
        if row is None:
            raise UsageError(
                f"batch {release} {key}",
                "was never processed",
                remedy=f"phoenix batch run {release} '{key}', or see `phoenix batch list`",
            )
        return row

    def all(self, release: str | None = None) -> list[BatchRow]:
        """Return batches, newest key first."""
        query = select(BatchRow).order_by(BatchRow.release, BatchRow.key.desc())
        return list(self._session.scalars(query.where(BatchRow.release == release) if release else query))

    def note_problems(self, release: str, key: str, problems: list[str]) -> None:
        """Add sentences about what went wrong outside any AB; each is kept once, on one line."""
        row = self._locked(release, key)
        lines = [" ".join(part.strip() for part in problem.split("\n")) for problem in problems]
        row.problems = list(dict.fromkeys([*row.problems, *lines]))

    def close(self, release: str, key: str, state: BatchState, summary: dict[str, Any]) -> None:
        """End a batch and keep its summary."""
        row = self._locked(release, key)
        row.state, row.owner = state.value, ""
        row.closed_at, row.summary = datetime.now(UTC), summary

    def _locked(self, release: str, key: str) -> BatchRow:
        return self._session.scalars(
            select(BatchRow).where(BatchRow.release == release, BatchRow.key == key).with_for_update()
        ).one()


def _refuse_if_running(row: BatchRow) -> None:
    if row.state == BatchState.RUNNING and row.owner:
        raise UsageError(
            f"batch {row.release} {row.key}",
            f"is being processed by {row.owner} since {row.opened_at:%Y-%m-%d %H:%M} UTC",
            "one run per release and key",
            f"wait for it, or if it died: phoenix batch close {row.release} '{row.key}'",
        )
