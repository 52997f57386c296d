"""How much disk batches took, for those who must know whether the next one fits."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from phoenix.model.batch import BatchKey
from phoenix.model.frame import FrameKind
from phoenix.store.frames import batch_date
from phoenix.store.tables import AbRow, FrameRow, IdpRow, ProductRow

#: An IDP lies in the folder of converted files and in the archive.
_COPIES_OF_IDP = 2


@dataclass(frozen=True, slots=True)
class Volume:
    """Bytes of raw frames, and of all that was made of them."""

    raw_bytes: int
    made_bytes: int


def volume_of(session: Session, release: str, instrument: str, batch: BatchKey) -> Volume:
    """Return what the raw frames of a batch, and what its release made of them, take."""
    dates = batch.dates()
    raw = select(func.sum(FrameRow.size_bytes)).where(_raw(instrument), batch_date(batch.kind).in_(dates))
    return Volume(_total(session, raw), _made(session, release, AbRow.night.in_(dates)))


def volume_of_others(session: Session, release: str, instrument: str, batch: BatchKey) -> Volume:
    """Return the same for all nights, or runs, the release has products of, but those of a batch."""
    others = AbRow.night.not_in(batch.dates())
    done = (
        select(AbRow.night)
        .join(ProductRow, ProductRow.ab_id == AbRow.id)
        .where(AbRow.release == release, others)
        .distinct()
    )
    raw = select(func.sum(FrameRow.size_bytes)).where(_raw(instrument), batch_date(batch.kind).in_(done))
    return Volume(_total(session, raw), _made(session, release, others))


def _raw(instrument: str) -> ColumnElement[bool]:
    return and_(FrameRow.instrument == instrument, FrameRow.kind == FrameKind.RAW.value)


def _made(session: Session, release: str, which: ColumnElement[bool]) -> int:
    of_abs = (AbRow.release == release, which)
    products = (
        select(func.sum(ProductRow.size_bytes)).join(AbRow, ProductRow.ab_id == AbRow.id).where(*of_abs)
    )
    idps = select(func.sum(IdpRow.size_bytes)).join(AbRow, IdpRow.ab_id == AbRow.id).where(*of_abs)
    return _total(session, products) + _COPIES_OF_IDP * _total(session, idps)


def _total(session: Session, query: Select[int]) -> int:
    return int(session.scalar(query) or 0)
