"""Calibrations people declared bad: who, when, why, and what had been made with them until then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from phoenix.errors import UsageError
from phoenix.store.masters import Master
from phoenix.store.tables import AbRow, BadMasterRow, ProductRow


@dataclass(frozen=True, slots=True)
class Declaration:
    """That a calibration is bad.

    Attributes
    ----------
    selection
        What had been made with it at that time, as :func:`phoenix.chain.masters.selection` gives it.
    undone_at
        None while it is in force.
    """

    master: Master
    reason: str
    declared_by: str
    declared_at: datetime
    selection: Mapping[str, Any]
    undone_by: str = ""
    undone_at: datetime | None = None
    undone_reason: str = ""

    def __str__(self) -> str:
        when = self.declared_at.astimezone(UTC)
        return f"declared bad by {self.declared_by} on {when:%Y-%m-%d}: {self.reason}"


class BadMasterRepository:
    """Declarations, in one transaction; nothing is ever deleted.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def declare(self, declaration: Declaration) -> None:
        """Declare a calibration bad.

        Raises
        ------
        UsageError
            If it is already, or no reason is given.
        """
        master = declaration.master
        if not declaration.reason.strip():
            raise UsageError(
                f"master {master}", "no reason is given", "why it must not be used", "--reason TEXT"
            )
        row = self._in_force(master)
        if row is not None:
            raise UsageError(
                f"master {master}",
                f"is {_declaration(row)}",
                "one declaration at a time",
                f"phoenix masters bad {master.source} --undo",
            )
        self._session.add(
            BadMasterRow(
                release=master.release,
                source=master.source,
                reason=declaration.reason,
                declared_by=declaration.declared_by,
                declared_at=declaration.declared_at,
                selection=dict(declaration.selection),
            )
        )

    def undo(self, master: Master, by: str, at: datetime, reason: str = "") -> Declaration:
        """Take a declaration back; it stays in the history.

        Raises
        ------
        UsageError
            If the calibration is not declared bad.
        """
        row = self._in_force(master, lock=True)
        if row is None:
            raise UsageError(f"master {master}", "is not declared bad", remedy="phoenix masters list --bad")
        row.undone_by, row.undone_at, row.undone_reason = by, at, reason
        return _declaration(row)

    def find(self, master: Master) -> Declaration | None:
        """Return the declaration that is in force for a calibration."""
        row = self._in_force(master)
        return None if row is None else _declaration(row)

    def all(self, history: bool = False) -> list[Declaration]:
        """Return declarations in order of time.

        Parameters
        ----------
        history
            Also those that were undone.
        """
        query = select(BadMasterRow).order_by(BadMasterRow.declared_at, BadMasterRow.id)
        if not history:
            query = query.where(BadMasterRow.undone_at.is_(None))
        return [_declaration(row) for row in self._session.scalars(query)]

    def reasons(self, release: str) -> dict[str, str]:
        """Return why calibrations must not be used by a release, by path or name of the AB that makes them.

        A bad file is bad for all releases. So are the products of a bad AB as files; its name is another AB's
        in another release.
        """
        found: dict[str, str] = {}
        for declared in self.all():
            if declared.master.release in {"", release}:
                found[declared.master.source] = str(declared)
            if declared.master.release:
                found |= dict.fromkeys(self._products(declared.master), str(declared))
        return found

    def _products(self, master: Master) -> list[str]:
        query = (
            select(ProductRow.path)
            .join(AbRow, AbRow.id == ProductRow.ab_id)
            .where(AbRow.release == master.release, AbRow.name == master.source)
        )
        return list(self._session.scalars(query))

    def _in_force(self, master: Master, lock: bool = False) -> BadMasterRow | None:
        query = select(BadMasterRow).where(
            BadMasterRow.source == master.source,
            BadMasterRow.release == master.release,
            BadMasterRow.undone_at.is_(None),
        )
        return self._session.scalar(query.with_for_update() if lock else query)


def _declaration(row: BadMasterRow) -> Declaration:
    return Declaration(
        Master(row.source, row.release),
        row.reason,
        row.declared_by,
        row.declared_at,
        row.selection,
        row.undone_by or "",
        row.undone_at,
        row.undone_reason,
    )
