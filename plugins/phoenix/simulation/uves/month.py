"""What UVES does in the simulated nights: five of them hold the cases an association has to master.

Evening: biases. Night: observation blocks and a standard star per setting. Morning, before noon UT: format
check, order flat, flats and arc of every setting used.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.schedule import Night, ObservationBlock, Template
from phoenix.simulation.stamps import lst_deg
from phoenix.simulation.stars import StandardStar, Star, nearest_standard, star_near_meridian
from phoenix.simulation.uves.settings import (
    ARC,
    BIAS,
    BLUE_437,
    FLAT,
    FORMAT_CHECK,
    ORDER_FLAT,
    RED_580,
    SCIENCE,
    STANDARD,
    Kind,
    Setting,
    UvesSetup,
)

SCIENCE_RUN = "60.A-9999(S)"
CALIBRATION_RUN = "60.A-9999(C)"

READOUT = timedelta(seconds=45)
ACQUISITION = timedelta(minutes=6)


@dataclass(frozen=True)
class Visit:
    """A science block: exposures planned and taken (fewer: the template was aborted)."""

    setting: Setting
    planned: int
    taken: int


@dataclass(frozen=True)
class NightPattern:
    """Science of a night and the settings whose flats failed."""

    visits: tuple[Visit, ...]
    without_flat: tuple[Setting, ...] = ()

    def settings(self) -> list[Setting]:
        """Return the settings used, in order of first use."""
        return list(dict.fromkeys(visit.setting for visit in self.visits))


def _blue(planned: int, taken: int | None = None) -> Visit:
    return Visit(BLUE_437, planned, planned if taken is None else taken)


def _red(planned: int) -> Visit:
    return Visit(RED_580, planned, planned)


PATTERN = (
    NightPattern((_blue(1), _blue(3), _red(1), _red(2))),
    NightPattern((_blue(3, taken=2), _blue(1))),
    NightPattern((_blue(1), _blue(2)), without_flat=(BLUE_437,)),
    NightPattern((_blue(1), _red(3), _red(1))),
    NightPattern((_blue(2), _blue(1))),
)

#: Kind, exposures per template, exposure time in seconds.
MORNING = ((FORMAT_CHECK, 1, 10.0), (ORDER_FLAT, 1, 10.0), (FLAT, 5, 20.0), (ARC, 1, 30.0))


def nights_of(plan: SimulationPlan) -> list[Night[UvesSetup]]:
    """All nights of the plan, templates in the order of time."""
    return [_NightLog(plan, index, evening).night() for index, evening in enumerate(plan.night_dates())]


class _NightLog:
    """Fills one night, keeping the clock and the block numbers."""

    def __init__(self, plan: SimulationPlan, index: int, evening: date) -> None:
        self._pattern = PATTERN[index % len(PATTERN)]
        self._index = index
        self._evening = evening
        self._block_id = 200_000_000 + (evening.year * 12 + evening.month) % 4000 * 10_000 + index * 100
        # The same nights have the same clock whatever the number of nights: numbers come from seed and date.
        self._draw = random.Random(f"{plan.seed} {evening.isoformat()}")  # noqa: S311 - overheads, not secrets
        self._clock = datetime.combine(evening, time(20, 0), UTC)
        self._templates: list[Template[UvesSetup]] = []

    def night(self) -> Night[UvesSetup]:
        """Run the night from evening to morning."""
        for setting in self._pattern.settings():
            block = self._block("Bias", None, templates=1)
            self._template(UvesSetup(BIAS, setting), block, 1, 0.0, 5, 5)
        self._wait_until(self._evening + timedelta(days=1), time(0, 30))
        for setting in self._pattern.settings():
            for number, visit in enumerate(v for v in self._pattern.visits if v.setting is setting):
                self._visit(visit, number)
            self._standard(setting)
        self._wait_until(self._evening + timedelta(days=1), time(10, 45))
        for setting in self._pattern.settings():
            self._morning(setting)
        return Night(self._evening, tuple(self._templates))

    def _wait_until(self, day: date, clock: time) -> None:
        self._clock = datetime.combine(day, clock, UTC)

    def _step(self, pause: timedelta) -> datetime:
        """Advance the clock by `pause` and a jitter; whole milliseconds, as in archive names."""
        self._clock += pause + timedelta(milliseconds=self._draw.randrange(500, 4000))
        return self._clock

    def _block(self, name: str, target: Star | StandardStar | None, templates: int) -> ObservationBlock:
        self._block_id += 1
        programme = SCIENCE_RUN if isinstance(target, Star) else CALIBRATION_RUN
        start = self._step(timedelta(seconds=20))
        return ObservationBlock(self._block_id, name, programme, start, templates, target)

    def _template(
        self,
        setup: UvesSetup,
        block: ObservationBlock,
        number: int,
        exptime_s: float,
        planned: int,
        taken: int,
    ) -> None:
        start = self._step(timedelta(seconds=5))
        starts = []
        for _ in range(taken):
            starts.append(self._step(timedelta(seconds=4)))
            self._clock += timedelta(seconds=exptime_s) + READOUT
        self._templates.append(Template(setup, block, number, start, exptime_s, planned, tuple(starts)))

    def _visit(self, visit: Visit, number: int) -> None:
        star = star_near_meridian(
            lst_deg(self._clock + timedelta(minutes=30)), (3 * self._index + 2 * number) % 7
        )
        block = self._block(f"{star.name}_{visit.setting.name}", star, templates=2)
        self._clock += ACQUISITION
        exptime_s = self._draw.choice((600.0, 750.0, 900.0))
        self._template(UvesSetup(SCIENCE, visit.setting), block, 2, exptime_s, visit.planned, visit.taken)

    def _standard(self, setting: Setting) -> None:
        star = nearest_standard(lst_deg(self._clock))
        block = self._block(f"{star.name}_{setting.name}", star, templates=2)
        self._clock += ACQUISITION
        self._template(UvesSetup(STANDARD, setting), block, 2, 120.0, 1, 1)

    def _morning(self, setting: Setting) -> None:
        tasks = self._tasks(setting)
        block = self._block(f"Calibration_{setting.name}", None, templates=len(tasks))
        for number, (kind, count, exptime_s) in enumerate(tasks, start=1):
            self._template(UvesSetup(kind, setting), block, number, exptime_s, count, count)

    def _tasks(self, setting: Setting) -> list[tuple[Kind, int, float]]:
        failed = setting in self._pattern.without_flat
        return [task for task in MORNING if not (failed and task[0] is FLAT)]
