"""The lots of a task of the cascade: which ABs of a memory class are to run, and how they are packed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from phoenix.chain.plan import pending
from phoenix.chain.resources import memory_of_row, recipe_of
from phoenix.config.hosts import MemoryClass, Queue, serving, streams
from phoenix.config.instrument import Recipe
from phoenix.config.loader import Configuration
from phoenix.config.release import Release
from phoenix.errors import PhoenixError
from phoenix.execution.packing import LotLimits, pack
from phoenix.execution.retry import RetryPolicy, memory_for
from phoenix.model.lot import Job, Lot
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database
from phoenix.store.durations import median_seconds, setting_key
from phoenix.store.tables import AbRow


def lots(
    database: Database,
    configuration: Configuration,
    release: str,
    key: str,
    task: str,
    memory_class: str,
    most: int,
) -> list[Lot]:
    """Return the ABs of a task that have no good outcome yet and belong to a memory class, as lots.

    An AB belongs to the class that holds what it needs: by its inputs, and more after each out_of_memory. One
    that ended so in a smaller class of the same run is found by the plan of the next class.

    Parameters
    ----------
    memory_class : str
        Name of one of the classes ABs of the task can come into.
    most : int
        Largest number of lots.
    """
    stream = configuration.release(release)
    queue = serving(configuration.site, stream)
    names = pending(database, release, key, task)
    with database.transaction() as session:
        rows = _rows(session, release, names)
        if not rows:
            return []
        recipe = recipe_of(configuration, stream.instrument, rows[0].recipe)
        classes = queue.classes_of(recipe)
        jobs = [
            job
            for job in _jobs(session, configuration, rows, recipe, queue)
            if _class_of(job, classes).name == memory_class
        ]
    (wanted,) = (entry for entry in classes if entry.name == memory_class)
    at_once = _at_once(configuration, stream, queue, recipe, wanted)
    return pack(jobs, LotLimits(count=most, at_once=at_once))


def _rows(session: Session, release: str, names: Sequence[str]) -> list[AbRow]:
    found = session.scalars(select(AbRow).where(AbRow.release == release, AbRow.name.in_(names)))
    by_name = {row.name: row for row in found}
    return [by_name[name] for name in names]


def _jobs(
    session: Session, configuration: Configuration, rows: Sequence[AbRow], recipe: Recipe, queue: Queue
) -> list[Job]:
    known = median_seconds(session, rows[0].instrument, rows[0].recipe)
    typical = recipe.typical.total_seconds() if recipe.typical else None
    return [
        Job(
            row.name,
            known.get(setting_key(row.setting), typical),
            _needs_gb(session, configuration, row, queue),
            tuple(row.waits_for),
        )
        for row in rows
    ]


def _needs_gb(session: Session, configuration: Configuration, row: AbRow, queue: Queue) -> float:
    try:
        first_gb = memory_of_row(session, configuration, row)
    except PhoenixError:  # a text that is not to be read: its own attempt tells
        return 0.0
    history = AttemptRepository(session).history(row.release, row.name)
    return memory_for(history, RetryPolicy(first_gb, queue.largest_gb))


def _class_of(job: Job, classes: Sequence[MemoryClass]) -> MemoryClass:
    """Return the smallest class that holds a job, else the largest."""
    return next((entry for entry in classes if job.memory_gb <= entry.up_to_gb), classes[-1])


def _at_once(
    configuration: Configuration, release: Release, queue: Queue, recipe: Recipe, entry: MemoryClass
) -> int:
    """Return how many lots of a class can run at the same time."""
    drs_type = configuration.instrument(release.instrument).drs_type
    by_pool = max(1, queue.pool_mb // queue.share.taken(entry.up_to_gb, recipe.cpus))
    return min(by_pool, streams(drs_type, release) or by_pool)
