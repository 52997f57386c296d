"""What HAWK-I does in the simulated nights: darks, twilight, one jittered block of a field each night."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta

from phoenix.simulation.hawki.field import Field
from phoenix.simulation.hawki.settings import (
    CALIBRATION_RUN,
    DARK,
    FLAT,
    FLAT_DARK,
    FLAT_LEVELS_ADU,
    FLAT_PAIR,
    SCIENCE,
    SCIENCE_RUN,
    HawkiSetup,
    Kind,
)
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.schedule import Clock, Night, ObservationBlock, Template
from phoenix.simulation.stamps import lst_deg
from phoenix.simulation.stars import STARS, star_near_meridian

READOUT = timedelta(seconds=4)
ACQUISITION = timedelta(minutes=6)
#: Exposures of the science block, night by night.
_EXPOSURES = (6, 4)


def nights_of(plan: SimulationPlan) -> list[Night[HawkiSetup]]:
    """All nights of a plan."""
    return [_night(plan, index, evening) for index, evening in enumerate(plan.night_dates())]


def _night(plan: SimulationPlan, index: int, evening: date) -> Night[HawkiSetup]:
    # The same nights have the same clock whatever the number of nights: numbers come from seed and date.
    draw = random.Random(f"{plan.seed} {evening.isoformat()}")  # noqa: S311 - overheads, not secrets
    clock = Clock(datetime.combine(evening, time(20, 30), UTC), draw)
    number = 300_000_000 + (evening.year * 12 + evening.month) % 4000 * 10_000 + index * 100
    templates = [
        _template(clock, ObservationBlock(number + 1, "Darks", CALIBRATION_RUN, clock.now, 2), 1, DARK, 5),
        _template(
            clock, ObservationBlock(number + 1, "Darks", CALIBRATION_RUN, clock.now, 2), 2, FLAT_DARK, 3
        ),
    ]
    clock.now = datetime.combine(evening, time(23, 20), UTC)
    if plan.size == "full":
        twilight = ObservationBlock(number + 2, "Twilight", CALIBRATION_RUN, clock.step(5), 1)
        templates.append(_template(clock, twilight, 1, FLAT, len(FLAT_LEVELS_ADU)))
    pair = ObservationBlock(number + 3, "TwilightPair", CALIBRATION_RUN, clock.step(5), 1)
    templates.append(_template(clock, pair, 1, FLAT_PAIR, 2))
    clock.now = datetime.combine(evening + timedelta(days=1), time(2, 0), UTC)
    star = star_near_meridian(lst_deg(clock.now + timedelta(minutes=20)), index % 5)
    field = Field(STARS.index(star))
    block = ObservationBlock(number + 4, f"{field.name}_Ks", SCIENCE_RUN, clock.step(20), 2, field)
    clock.now += ACQUISITION
    templates.append(_template(clock, block, 2, SCIENCE, _EXPOSURES[index % len(_EXPOSURES)]))
    return Night(evening, tuple(templates))


def _template(
    clock: Clock, block: ObservationBlock, number: int, kind: Kind, count: int
) -> Template[HawkiSetup]:
    start = clock.step(5)
    starts = []
    for _ in range(count):
        starts.append(clock.step(4))
        clock.now += timedelta(seconds=kind.dit_s * kind.ndit) + READOUT
    return Template(HawkiSetup(kind), block, number, start, kind.dit_s, count, tuple(starts))
