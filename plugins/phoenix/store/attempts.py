"""Attempts to run ABs, and the products of the good ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from phoenix.errors import UsageError
from phoenix.model.ab import Tree, referred
from phoenix.model.outcome import Attempt, Outcome
from phoenix.model.product import Product
from phoenix.store.masters import INPUT
from phoenix.store.tables import AbCalibrationRow, AbRow, AttemptRow, ProductRow

LOST = "the process that ran this attempt was lost"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An attempt that was begun and never ended."""

    number: int
    started_at: datetime


class AttemptRepository:
    """Attempts of all ABs, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, release: str, name: str) -> AbRow:
        """Return an AB's row.

        Raises
        ------
        UsageError
            If the release has no such AB.
        """
        return self._find(release, name, lock=False)

    def unfinished(self, release: str, name: str) -> Unfinished | None:
        """Return the newest attempt if it never ended: its process was lost, its container perhaps not."""
        rows = self._rows(self.find(release, name))
        if not rows or rows[-1].ended_at is not None:
            return None
        return Unfinished(rows[-1].number, rows[-1].started_at)

    def begin(self, release: str, name: str, image: str, started_at: datetime, not_adopted: str = "") -> int:
        """Add a new attempt and return its number, from 1.

        Attempts that never ended belong to processes that were lost; they end here as crashed.

        Parameters
        ----------
        not_adopted : str
            Why the newest of them could not be taken over.
        """
        row = self._find(release, name, lock=True)
        for earlier in self._rows(row):
            if earlier.ended_at is None:
                earlier.ended_at, earlier.outcome = started_at, Outcome.CRASHED.value
                earlier.findings = [LOST, f"not taken over: {not_adopted}"] if not_adopted else [LOST]
        number = self._newest(row) + 1
        self._session.add(AttemptRow(ab_id=row.id, number=number, started_at=started_at, image=image))
        return number

    def end(self, release: str, name: str, attempt: Attempt) -> None:
        """Record how an attempt ended; the AB shows it unless a newer attempt was begun meanwhile."""
        row = self._find(release, name, lock=True)
        self._record(row, attempt)
        if attempt.number == self._newest(row):
            row.outcome = attempt.outcome.value
            row.reason = attempt.findings[0] if attempt.findings else ""

    def is_newest(self, release: str, name: str, number: int) -> bool:
        """Tell whether no newer attempt was begun; nobody can begin one before this transaction ends."""
        return self._newest(self._find(release, name, lock=True)) == number

    def publish(
        self,
        release: str,
        name: str,
        attempt: Attempt,
        folder: Path,
        products: Iterable[Product],
        sha256: str,
    ) -> None:
        """Record a good attempt with its products, in place of those of earlier attempts.

        An AB that succeeds after others combined what there was without it makes those pending again, and so
        does each success for ABs of other releases: a rerun of its own release does not reach them.

        Parameters
        ----------
        sha256 : str
            Checksum of the AB's text in the final tree.
        """
        late = not any(past.outcome.succeeded for past in self.history(release, name))
        self.end(release, name, attempt)
        row = self._find(release, name, lock=True)
        self._combine_again(release, name, late)
        row.product_folder, row.tree, row.text_sha256 = str(folder), Tree.FINAL.value, sha256
        self._session.execute(delete(ProductRow).where(ProductRow.ab_id == row.id))
        self._session.add_all(
            ProductRow(
                ab_id=row.id,
                pro_catg=product.pro_catg,
                path=product.path,
                size_bytes=product.size_bytes,
                sha256=product.sha256,
            )
            for product in products
        )

    def _combine_again(self, release: str, name: str, late: bool) -> None:
        good = [outcome.value for outcome in Outcome if outcome.succeeded]
        users = select(AbCalibrationRow.ab_id).where(AbCalibrationRow.status == INPUT)
        which: ColumnElement[bool] = AbRow.id.in_(users.where(AbCalibrationRow.source == f"{release}/{name}"))
        if late:
            of_release = users.where(AbCalibrationRow.source == name)
            which |= (AbRow.release == release) & AbRow.id.in_(of_release)
        self._session.execute(update(AbRow).where(which, AbRow.outcome.in_(good)).values(outcome=None))

    def history(self, release: str, name: str) -> tuple[Attempt, ...]:
        """Return the ended attempts of an AB, oldest first."""
        return tuple(
            _attempt(row) for row in self._rows(self.find(release, name)) if row.ended_at is not None
        )

    def products(self, release: str, name: str) -> tuple[Product, ...]:
        """Return the published products of an AB, in the recipe's order."""
        rows = self._session.scalars(
            select(ProductRow).where(ProductRow.ab_id == self.find(release, name).id).order_by(ProductRow.id)
        )
        return tuple(Product(row.path, row.pro_catg, row.size_bytes, row.sha256) for row in rows)

    def outcomes(self, release: str, names: Iterable[str]) -> dict[str, Outcome | None]:
        """Return how ABs ended, by what the release calls them; None for those that did not run yet.

        Parameters
        ----------
        names
            Names, or ``<release>/<name>`` of other releases; those not known are left out.
        """
        wanted = {referred(name, release): name for name in names}
        rows = self._session.execute(
            select(AbRow.release, AbRow.name, AbRow.outcome).where(
                AbRow.release.in_({of for of, _ in wanted}), AbRow.name.in_({name for _, name in wanted})
            )
        )
        return {
            wanted[of, name]: Outcome(outcome) if outcome else None
            for of, name, outcome in rows
            if (of, name) in wanted
        }

    def _find(self, release: str, name: str, lock: bool) -> AbRow:
        query = select(AbRow).where(AbRow.release == release, AbRow.name == name)
        row = self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise UsageError(
                f"AB {name}", f"release {release} has none of that name", remedy=f"phoenix ab list {release}"
            )
        return row

    def _rows(self, row: AbRow) -> Sequence[AttemptRow]:
        return self._session.scalars(
            select(AttemptRow).where(AttemptRow.ab_id == row.id).order_by(AttemptRow.number)
        ).all()

    def _newest(self, row: AbRow) -> int:
        return max((attempt.number for attempt in self._rows(row)), default=0)

    def _record(self, row: AbRow, attempt: Attempt) -> None:
        found = next(entry for entry in self._rows(row) if entry.number == attempt.number)
        found.outcome, found.ended_at = attempt.outcome.value, attempt.ended_at
        found.exit_code, found.cpu_s = attempt.exit_code, attempt.cpu_s
        found.memory_peak_mb = attempt.memory_peak_mb
        found.image, found.image_digest = attempt.image, attempt.image_digest
        found.pipeline_version, found.container = attempt.pipeline_version, attempt.container
        found.findings = list(attempt.findings)


def _attempt(row: AttemptRow) -> Attempt:
    if row.ended_at is None or row.outcome is None:
        raise ValueError(f"attempt {row.number} has not ended")
    return Attempt(
        number=row.number,
        outcome=Outcome(row.outcome),
        started_at=row.started_at,
        ended_at=row.ended_at,
        exit_code=row.exit_code,
        cpu_s=row.cpu_s,
        memory_peak_mb=row.memory_peak_mb,
        image=row.image,
        image_digest=row.image_digest,
        pipeline_version=row.pipeline_version,
        container=row.container,
        findings=tuple(row.findings),
    )
