"""What all sources know of a batch: its stream, its nights, and the frames of the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from itertools import islice

from phoenix.association.engine import Associations, associate
from phoenix.chain.deep import observing_run
from phoenix.config.loader import Configuration
from phoenix.config.release import Mode, Release
from phoenix.config.rules import Rules, Task
from phoenix.instruments import load
from phoenix.model.batch import BatchKey
from phoenix.model.frame import Frame, FrameKind, night_begins
from phoenix.store.bad_masters import BadMasterRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue

#: Names asked for at a time.
_CHUNK = 1000


class BatchFrames:
    """A batch with the frames it can use; what takes long is done once, and only if asked for.

    Parameters
    ----------
    database, configuration
        Where frames and rules are.
    release, key
        The batch.

    Raises
    ------
    UsageError
        If the key is not one of the release's.
    """

    def __init__(self, database: Database, configuration: Configuration, release: str, key: str) -> None:
        self.database, self.configuration, self.key = database, configuration, key
        self.stream: Release = configuration.release(release)
        self.rules: Rules = configuration.rules(self.stream.instrument)
        self.nights = nights_of(configuration, release, key)
        load(self.stream.instrument, "smart")

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks the release runs, by name."""
        return {task.name: task for task in self.rules.tasks_for(self.stream)}

    @cached_property
    def bad(self) -> Mapping[str, str]:
        """Path of a calibration, or name of the AB that makes it -> why it must not be used."""
        with self.database.transaction() as session:
            return BadMasterRepository(session).reasons(self.stream.release)

    @cached_property
    def by_rules(self) -> Associations:
        """What the rules make of all nights of the batch, or of the processed ABs of its run."""
        deep = self.stream.mode is Mode.DEEP
        return associate(
            self.statics() if deep else self._frames(),
            self.rules,
            self.stream,
            self.configuration.instrument(self.stream.instrument),
            self.nights,
            self.bad,
            observing_run(self.database, self.configuration, self.stream.release, self.key) if deep else None,
        )

    def named(self, names: Iterable[str]) -> list[Frame]:
        """Return the usable frames of these names or paths, of any kind and time."""
        waiting = iter(sorted(set(names)))
        found: list[Frame] = []
        with self.database.transaction() as session:
            while chunk := list(islice(waiting, _CHUNK)):
                found += FrameCatalogue(session).named(self.stream.instrument, chunk)
        return found

    def raws(self, nights: Collection[str]) -> list[Frame]:
        """Return the usable raw frames of some nights of the batch."""
        with self.database.transaction() as session:
            span = self.nights[0], self.nights[-1]
            frames = FrameCatalogue(session).frames(self.stream.instrument, (FrameKind.RAW,), nights=span)
        return [frame for frame in frames if frame.night in nights]

    def statics(self) -> list[Frame]:
        """Return the static tables of the instrument."""
        with self.database.transaction() as session:
            return FrameCatalogue(session).frames(self.stream.instrument, (FrameKind.STATIC,))

    def _frames(self) -> list[Frame]:
        reach_days = max(
            (
                level.within.total_seconds() / 86400
                for task in self.rules.tasks
                for association in task.associate
                for choice in association.alternatives
                for level in choice.levels
            ),
            default=0.0,
        )
        # Masters are matched by the middle of their exposure; a day covers the longest one.
        first, last = night_begins(self.nights[0]), night_begins(self.nights[-1])
        window = first - reach_days - 1, last + 1 + reach_days
        with self.database.transaction() as session:
            catalogue = FrameCatalogue(session)
            return [
                *catalogue.frames(
                    self.stream.instrument, (FrameKind.RAW,), nights=(self.nights[0], self.nights[-1])
                ),
                *catalogue.frames(self.stream.instrument, (FrameKind.MASTER, FrameKind.STATIC), mjd=window),
            ]


def nights_of(configuration: Configuration, release: str, key: str) -> tuple[str, ...]:
    """Return the nights of a batch; of a run the run itself, which stands in place of a night.

    Raises
    ------
    UsageError
        If the key is not one of the release's.
    """
    return BatchKey(configuration.release(release).batch, key).dates()
