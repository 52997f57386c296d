"""What MUSE does in the simulated nights: two nights make a pattern that comes again with other fields.

First night: an OB of four exposures, each turned by another 90 degrees, and an OB of two with an exposure of
blank sky between them. Second night: a second OB of the first field, for a deep cube of both, and an OB of a
single exposure.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from phoenix.simulation.muse.field import Field, field_at
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.schedule import Night, ObservationBlock, Template
from phoenix.simulation.stamps import lst_deg

FIRST_RUN, SECOND_RUN = "099.A-0023(B)", "099.B-0417(A)"
EXPTIME_S = 600.0
READOUT, ACQUISITION = timedelta(seconds=65), timedelta(minutes=9)
#: Largest offset meant (dither) and not meant (pointing error) along each axis.
DITHER_ARCSEC, POINTING_ERROR_ARCSEC = 1.0, 2.5
#: Where the blank sky is: east and north of the field's centre, far from all its sources.
SKY_OFFSET_ARCSEC = (0.0, 120.0)


@dataclass(frozen=True)
class Aim:
    """Where an exposure points and how it is turned.

    Attributes
    ----------
    posang_deg
        Position angle, from north over east.
    dither_arcsec
        True pointing relative to the field's centre: east, north.
    error_arcsec
        What the header tells minus the true pointing: east, north.
    sky
        Whether it is an exposure of blank sky beside the field.
    """

    posang_deg: float
    dither_arcsec: tuple[float, float]
    error_arcsec: tuple[float, float]
    sky: bool = False


@dataclass(frozen=True)
class MuseSetup:
    """The field of a template and the aims of its exposures, in their order."""

    field: Field
    aims: tuple[Aim, ...]


@dataclass(frozen=True)
class Visit:
    """An OB: which of the pattern's fields, whose run, the position angles of its exposures.

    Attributes
    ----------
    sky_after
        After how many exposures one of blank sky is taken; 0: none.
    """

    field: int
    run: str
    posangs_deg: tuple[float, ...]
    sky_after: int = 0

    def sequence(self) -> list[tuple[float, bool]]:
        """Return the position angle of each exposure and whether it is a sky; skies turn no further."""
        taken = [(posang, False) for posang in self.posangs_deg]
        if self.sky_after:
            taken.insert(self.sky_after, (self.posangs_deg[self.sky_after - 1], True))
        return taken


PATTERN = (
    (Visit(0, FIRST_RUN, (0.0, 90.0, 180.0, 270.0)), Visit(1, SECOND_RUN, (0.0, 90.0), sky_after=1)),
    (Visit(0, FIRST_RUN, (0.0, 90.0, 180.0)), Visit(2, FIRST_RUN, (0.0,))),
)


def nights_of(plan: SimulationPlan) -> list[Night[MuseSetup]]:
    """All nights of the plan, templates in the order of time."""
    evenings = plan.night_dates()
    middle = datetime.combine(evenings[0] + timedelta(days=1), time(4), UTC)
    hour = round(lst_deg(middle) / 15.0)
    nights = []
    for index, evening in enumerate(evenings):
        band, step = divmod(index, len(PATTERN))
        fields = [field_at(hour - 1 + number, band) for number in range(3)]
        nights.append(_night(plan.seed, index, evening, PATTERN[step], fields))
    return nights


def _night(
    seed: int, index: int, evening: date, visits: tuple[Visit, ...], fields: list[Field]
) -> Night[MuseSetup]:
    # The same nights are the same whatever the number of nights: all comes from seed and date.
    draw = random.Random(f"MUSE {seed} {evening.isoformat()}")  # noqa: S311 - pointing errors, not secrets
    clock = datetime.combine(evening + timedelta(days=1), time(2), UTC)
    first_id = 300_000_000 + (evening.year * 12 + evening.month) % 4000 * 10_000 + index * 100
    templates = []
    for number, visit in enumerate(visits, start=1):
        field = fields[visit.field]
        block = ObservationBlock(first_id + number, f"{field.name}_{number}", visit.run, clock, 2, field)
        clock += ACQUISITION + timedelta(milliseconds=draw.randrange(500, 4000))
        start, starts = clock, []
        for _ in visit.sequence():
            clock += timedelta(milliseconds=draw.randrange(500, 4000))
            starts.append(clock)
            clock += timedelta(seconds=EXPTIME_S) + READOUT
        aims = tuple(_aim(draw, posang, sky) for posang, sky in visit.sequence())
        setup = MuseSetup(field, aims)
        templates.append(Template(setup, block, 2, start, EXPTIME_S, len(starts), tuple(starts)))
    return Night(evening, tuple(templates))


def _aim(draw: random.Random, posang_deg: float, sky: bool) -> Aim:
    meant = SKY_OFFSET_ARCSEC if sky else _offset(draw, DITHER_ARCSEC)
    return Aim(posang_deg, meant, _offset(draw, POINTING_ERROR_ARCSEC), sky)


def _offset(draw: random.Random, largest_arcsec: float) -> tuple[float, float]:
    east, north = (round(draw.uniform(-largest_arcsec, largest_arcsec), 3) for _ in range(2))
    return east, north
