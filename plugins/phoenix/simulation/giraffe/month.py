"""What GIRAFFE does in the simulated nights: blocks of one and of several exposures, alike and not.

Evening: biases. Night: blocks, each on one plate. Morning, before noon UT: fibre flats and an arc of
every slit and setup used.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from phoenix.simulation.giraffe.field import Field, field_near_meridian
from phoenix.simulation.giraffe.light import ARC_EXPTIME_S
from phoenix.simulation.giraffe.settings import (
    ARC,
    BIAS,
    FLAT,
    LR3,
    LR6,
    SCIENCE,
    SIMCAL,
    GiraffeSetup,
    Kind,
    Setup,
)
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.schedule import Night, ObservationBlock, Template
from phoenix.simulation.stamps import lst_deg

SCIENCE_RUN = "60.A-9999(G)"
CALIBRATION_RUN = "60.A-9999(C)"

READOUT = timedelta(seconds=45)
ACQUISITION = timedelta(minutes=8)
SIMCAL_EXPTIME_S = 60.0

Instrumental = tuple[str, Setup]
MEDUSA1: Instrumental = ("Medusa1", LR3)
MEDUSA2: Instrumental = ("Medusa2", LR6)


@dataclass(frozen=True)
class Visit:
    """A science block: one template for each number of exposures and exposure time."""

    instrumental: Instrumental
    templates: tuple[tuple[int, float], ...]
    simcal: bool = False
    bright: bool = False


@dataclass(frozen=True)
class NightPattern:
    """Science of a night; `warmer_c` is how much warmer the spectrograph is in the morning."""

    visits: tuple[Visit, ...]
    warmer_c: float = 0.0

    def instrumentals(self) -> list[Instrumental]:
        """Return the slits and setups used, in order of first use."""
        return list(dict.fromkeys(visit.instrumental for visit in self.visits))


#: The first night has each case: exposures alike with attached calibration, one alone with a star too bright,
#: exposures of which one is unlike the others. In the second the arc is too warm and no calibration attached.
PATTERN = (
    NightPattern(
        (
            Visit(MEDUSA1, ((3, 1200.0),), simcal=True),
            Visit(MEDUSA1, ((1, 900.0),), bright=True),
            Visit(MEDUSA1, ((2, 1200.0), (1, 400.0))),
        )
    ),
    NightPattern((Visit(MEDUSA2, ((4, 900.0),)), Visit(MEDUSA2, ((1, 1200.0),))), warmer_c=2.2),
    NightPattern((Visit(MEDUSA1, ((2, 1200.0),), simcal=True), Visit(MEDUSA2, ((1, 1200.0),)))),
)


def nights_of(plan: SimulationPlan) -> list[Night[GiraffeSetup]]:
    """All nights of the plan, templates in the order of time."""
    return [_NightLog(plan, index, evening).night() for index, evening in enumerate(plan.night_dates())]


class _NightLog:
    """Fills one night, keeping the clock and the block numbers."""

    def __init__(self, plan: SimulationPlan, index: int, evening: date) -> None:
        self._pattern = PATTERN[index % len(PATTERN)]
        self._evening = evening
        self._block_id = 300_000_000 + (evening.year * 12 + evening.month) % 4000 * 10_000 + index * 100
        # The same nights have the same clock whatever the number of nights: numbers come from seed and date.
        self._draw = random.Random(f"{plan.seed} {evening.isoformat()}")  # noqa: S311 - overheads, not secrets
        self._clock = datetime.combine(evening, time(20, 0), UTC)
        self._templates: list[Template[GiraffeSetup]] = []

    def night(self) -> Night[GiraffeSetup]:
        """Run the night from evening to morning."""
        instrumentals = self._pattern.instrumentals()
        bias = GiraffeSetup(BIAS, *instrumentals[0])
        self._template(bias, self._block("Bias", None, 1), 1, 0.0, 5)
        self._wait_until(time(1, 0))
        for visit in self._pattern.visits:
            self._visit(visit)
        self._wait_until(time(10, 30))
        for slit, setup in instrumentals:
            block = self._block(f"Calibration_{slit}_{setup.name}", None, 2)
            self._template(self._morning(FLAT, slit, setup), block, 1, 20.0, 3)
            self._template(self._morning(ARC, slit, setup), block, 2, ARC_EXPTIME_S, 1)
        return Night(self._evening, tuple(self._templates))

    def _morning(self, kind: Kind, slit: str, setup: Setup) -> GiraffeSetup:
        return GiraffeSetup(kind, slit, setup, self._pattern.warmer_c)

    def _wait_until(self, clock: time) -> None:
        self._clock = datetime.combine(self._evening + timedelta(days=1), clock, UTC)

    def _step(self, pause: timedelta) -> datetime:
        """Advance the clock by `pause` and a jitter; whole milliseconds, as in archive names."""
        self._clock += pause + timedelta(milliseconds=self._draw.randrange(500, 4000))
        return self._clock

    def _block(self, name: str, target: Field | None, templates: int) -> ObservationBlock:
        self._block_id += 1
        programme = CALIBRATION_RUN if target is None else SCIENCE_RUN
        start = self._step(timedelta(seconds=20))
        return ObservationBlock(self._block_id, name, programme, start, templates, target)

    def _template(
        self, setup: GiraffeSetup, block: ObservationBlock, number: int, exptime_s: float, exposures: int
    ) -> None:
        start = self._step(timedelta(seconds=5))
        starts = []
        for _ in range(exposures):
            starts.append(self._step(timedelta(seconds=4)))
            self._clock += timedelta(seconds=exptime_s) + READOUT
        self._templates.append(Template(setup, block, number, start, exptime_s, exposures, tuple(starts)))

    def _visit(self, visit: Visit) -> None:
        field = field_near_meridian(lst_deg(self._clock + timedelta(minutes=30)), visit.bright)
        slit, setup = visit.instrumental
        block = self._block(
            f"{field.name}_{setup.filter_name}", field, 1 + len(visit.templates) + visit.simcal
        )
        self._clock += ACQUISITION
        number = 1
        for exposures, exptime_s in visit.templates:
            number += 1
            self._template(GiraffeSetup(SCIENCE, slit, setup), block, number, exptime_s, exposures)
        if visit.simcal:
            self._template(GiraffeSetup(SIMCAL, slit, setup), block, number + 1, SIMCAL_EXPTIME_S, 1)
