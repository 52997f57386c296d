"""Which nights and which ABs of a batch there is something to do for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from phoenix.config.loader import Configuration
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.frame import FrameKind
from phoenix.model.outcome import Outcome
from phoenix.store.attempts import AttemptRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.tables import AbRow, FrameRow

_GOOD = [outcome.value for outcome in Outcome if outcome.succeeded]


def nights_with_frames(database: Database, configuration: Configuration, release: str, key: str) -> list[str]:
    """Return the nights of the batch for which the catalogue has raw frames, in order; a run as it is."""
    stream = configuration.release(release)
    batch = BatchKey(stream.batch, key)
    if batch.kind is BatchKind.RUN:
        return list(batch.dates())
    nights = batch.nights()
    with database.transaction() as session:
        return list(
            session.scalars(
                select(FrameRow.night)
                .where(
                    FrameRow.instrument == stream.instrument,
                    FrameRow.kind == FrameKind.RAW.value,
                    FrameRow.problem == "",
                    FrameRow.night.in_(nights),
                )
                .distinct()
                .order_by(FrameRow.night)
            )
        )


def pending(database: Database, release: str, key: str, task: str) -> list[str]:
    """Return the ABs of a task of the cascade that have no good outcome yet, in order of time.

    ABs taken out by pre-selection are left out; INCOMPLETE ones are not, so that their outcome says why they
    did not run.
    """
    with database.transaction() as session:
        batch = BatchRepository(session).find(release, key)
        return list(
            session.scalars(
                select(AbRow.name)
                .where(
                    AbRow.batch_id == batch.id,
                    AbRow.task == task,
                    AbRow.exclusion == "",
                    AbRow.outcome.is_(None) | AbRow.outcome.not_in(_GOOD),
                )
                .order_by(AbRow.mjd_obs_mod, AbRow.name)
            )
        )


def unsettled(database: Database, release: str, names: Iterable[str], since: datetime) -> list[str]:
    """Return the ABs another try may help: all that did not end for good after `since`.

    A good end is one, and so is one that repetition cannot change.
    """
    with database.transaction() as session:
        attempts = AttemptRepository(session)
        histories = {name: attempts.history(release, name) for name in names}
    return [
        name
        for name, history in histories.items()
        if not history or history[-1].outcome.retryable or history[-1].started_at < since
    ]
