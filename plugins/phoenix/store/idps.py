"""Converted files: science IDPs with their ancillary files, one row for each name in a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from phoenix.errors import IdpError
from phoenix.model.product import Idp
from phoenix.store.tables import AbRow, BatchRow, IdpRow, IdpShareRow, IngestionRow


class IdpRepository:
    """IDPs of all releases, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(
        self, ab: AbRow, idps: Sequence[Idp], findings: Mapping[str, list[str]], converted_at: datetime
    ) -> None:
        """Record what the conversion of an AB wrote; saying the same again changes nothing.

        A stack takes over the names of the exposures in it, and an exposure takes its names back when there
        is no stack: what one of the two wrote before becomes an earlier version of the same file.

        Parameters
        ----------
        idps : sequence of Idp
            Science products and their ancillary files, in any order.
        findings : mapping
            Name of a file -> rules it breaks. A file with findings is kept, and never ingested.

        Raises
        ------
        IdpError
            If a name belongs to another AB of the release that is no part of the same stack.
        """
        rows: dict[str, IdpRow] = {}
        for idp in sorted(idps, key=lambda idp: idp.parent != ""):
            row = self._row(ab, idp.origfile)
            parent_id = rows[idp.parent].id if idp.parent else None
            found = findings.get(idp.origfile, [])
            if row.sha256 != idp.sha256 or row.findings != found or row.parent_id != parent_id:
                row.converted_at = converted_at
            row.parent_id, row.prodcatg, row.title = parent_id, idp.prodcatg, idp.title
            row.path, row.size_bytes, row.sha256, row.findings = idp.path, idp.size_bytes, idp.sha256, found
            self._session.add(row)
            self._session.flush()
            rows[idp.origfile] = row
        self._share(idps, {name: row.id for name, row in rows.items()})
        self._forget_others(ab, set(rows))

    def withdraw(self, ab: AbRow) -> bool:
        """Delete the files of an AB that now go with a stack; return whether some are left, being queued."""
        self._forget_others(ab, set())
        return bool(self.of_ab(ab.id))

    def of_ab(self, ab_id: int) -> list[IdpRow]:
        """Return the files of an AB, science products first."""
        return list(
            self._session.scalars(
                select(IdpRow)
                .where(IdpRow.ab_id == ab_id)
                .order_by(IdpRow.parent_id.is_not(None), IdpRow.origfile)
            )
        )

    def of_batch(self, release: str, key: str, night: str | None = None) -> list[IdpRow]:
        """Return the files of a batch, or of one night of it, in order of name."""
        query = (
            select(IdpRow)
            .join(AbRow, AbRow.id == IdpRow.ab_id)
            .join(BatchRow, BatchRow.id == AbRow.batch_id)
            .where(BatchRow.release == release, BatchRow.key == key)
            .order_by(IdpRow.origfile)
        )
        return list(self._session.scalars(query.where(AbRow.night == night) if night else query))

    def _row(self, ab: AbRow, origfile: str) -> IdpRow:
        row = self._session.scalar(
            select(IdpRow).where(IdpRow.release == ab.release, IdpRow.origfile == origfile).with_for_update()
        )
        if row is None:
            return IdpRow(ab_id=ab.id, release=ab.release, origfile=origfile)
        if row.ab_id != ab.id:
            other = self._session.get_one(AbRow, row.ab_id)
            if ab.name in other.waits_for or other.name in ab.waits_for:
                row.ab_id = ab.id
                return row
            raise IdpError(
                f"AB {ab.name}",
                f"its IDP would have the name {origfile}, which belongs to {other.name}",
                "one AB for each science exposure",
                "look at both with `phoenix ab show`",
            )
        return row

    def _share(self, idps: Sequence[Idp], ids: Mapping[str, int]) -> None:
        """Record which further science products name an ancillary file."""
        self._session.execute(delete(IdpShareRow).where(IdpShareRow.idp_id.in_(ids.values())))
        for idp in idps:
            for head in idp.shared_with:
                self._session.add(IdpShareRow(idp_id=ids[idp.origfile], head_id=ids[head]))
        self._session.flush()

    def _forget_others(self, ab: AbRow, kept: set[str]) -> None:
        """Delete rows of files an earlier conversion wrote and this one did not, unless they were queued."""
        rows = self._session.scalars(
            select(IdpRow)
            .where(
                IdpRow.ab_id == ab.id,
                IdpRow.origfile.not_in(kept),
                ~exists().where(IngestionRow.idp_id == IdpRow.id),
            )
            .order_by(IdpRow.parent_id.is_(None))
        ).all()
        for row in rows:
            self._session.delete(row)
            self._session.flush()
