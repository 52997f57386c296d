"""What KMOS does in the simulated nights: day calibrations, an OB of two templates, a telluric standard."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta

from phoenix.simulation.kmos.field import Field, standard_near
from phoenix.simulation.kmos.settings import (
    ARC,
    CALIBRATION_RUN,
    DARK,
    FLAT,
    SCIENCE,
    SCIENCE_RUN,
    STANDARD,
    Kind,
    KmosSetup,
)
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.schedule import Clock, Night, ObservationBlock, Template
from phoenix.simulation.stamps import lst_deg
from phoenix.simulation.stars import STARS, star_near_meridian

_READOUT = timedelta(seconds=8)
_ACQUISITION = timedelta(minutes=8)
_SCIENCE_TEMPLATES = (2, 3)


def nights_of(plan: SimulationPlan) -> list[Night[KmosSetup]]:
    """All nights of a plan."""
    return [_night(plan, index, evening) for index, evening in enumerate(plan.night_dates())]


def _night(plan: SimulationPlan, index: int, evening: date) -> Night[KmosSetup]:
    # The same nights have the same clock whatever the number of nights: numbers come from seed and date.
    draw = random.Random(f"{plan.seed} {evening.isoformat()}")  # noqa: S311 - overheads, not secrets
    clock = Clock(datetime.combine(evening, time(15, 0), UTC), draw)
    number = 310_000_000 + (evening.year * 12 + evening.month) % 4000 * 10_000 + index * 100
    day = ObservationBlock(number + 1, "DayCalibrations", CALIBRATION_RUN, clock.now, 3)
    templates = [_template(clock, day, place, kind) for place, kind in enumerate((DARK, FLAT, ARC), start=1)]
    clock.now = datetime.combine(evening + timedelta(days=1), time(2, 0), UTC)
    star = star_near_meridian(lst_deg(clock.now + timedelta(minutes=30)), index % 5)
    field = Field(STARS.index(star))
    block = ObservationBlock(number + 2, f"{field.name}_HK", SCIENCE_RUN, clock.step(20), 3, field)
    clock.now += _ACQUISITION
    templates += [_template(clock, block, place, SCIENCE) for place in _SCIENCE_TEMPLATES]
    clock.now += _ACQUISITION
    standard = ObservationBlock(
        number + 3, "Telluric_HK", CALIBRATION_RUN, clock.now, 2, standard_near(lst_deg(clock.now))
    )
    templates.append(_template(clock, standard, 2, STANDARD))
    return Night(evening, tuple(templates))


def _template(clock: Clock, block: ObservationBlock, number: int, kind: Kind) -> Template[KmosSetup]:
    start = clock.step(5)
    starts = []
    for _ in kind.dpr_types:
        starts.append(clock.step(4))
        clock.now += timedelta(seconds=kind.exptime_s) + _READOUT
    return Template(KmosSetup(kind), block, number, start, kind.exptime_s, len(starts), tuple(starts))
