"""Nights as ESO runs them: observation blocks hold templates, templates hold exposures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Generic, Protocol, TypeVar

#: What an instrument says about a template: its kind of frame and its optical setting.
Setup = TypeVar("Setup")


class Target(Protocol):
    """What the telescope points at: a star, a standard star, a field of stars."""

    @property
    def name(self) -> str:
        """OBS TARG NAME."""
        ...

    @property
    def ra_deg(self) -> float:
        """Right ascension."""
        ...

    @property
    def dec_deg(self) -> float:
        """Declination."""
        ...


@dataclass(frozen=True)
class ObservationBlock:
    """OBS cards: identity, start and number of templates of a block; calibration blocks have no target."""

    ob_id: int
    name: str
    programme: str
    start: datetime
    templates: int
    target: Target | None = None


@dataclass(frozen=True)
class Template(Generic[Setup]):
    """A template: `planned` is TPL NEXP; an aborted one has fewer `starts`."""

    setup: Setup
    block: ObservationBlock
    number: int
    start: datetime
    exptime_s: float
    planned: int
    starts: tuple[datetime, ...]

    @property
    def aborted(self) -> bool:
        """Whether fewer frames were taken than planned."""
        return len(self.starts) < self.planned


@dataclass(frozen=True)
class Exposure(Generic[Setup]):
    """One frame of a template; `number` is TPL EXPNO."""

    template: Template[Setup]
    number: int
    start: datetime


@dataclass(frozen=True)
class Night(Generic[Setup]):
    """All templates of one night, noon to noon UT."""

    date: date
    templates: tuple[Template[Setup], ...]

    def exposures(self) -> Iterator[Exposure[Setup]]:
        """Frames in the order they were taken."""
        for template in self.templates:
            for number, start in enumerate(template.starts, start=1):
                yield Exposure(template, number, start)


@dataclass
class Clock:
    """Hands out the moments of a night: whole milliseconds, as in archive names."""

    now: datetime
    draw: random.Random

    def step(self, pause_s: float) -> datetime:
        """Advance by a pause and a jitter, and return the moment."""
        self.now += timedelta(seconds=pause_s, milliseconds=self.draw.randrange(500, 4000))
        return self.now
