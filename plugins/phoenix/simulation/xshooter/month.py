"""What XSHOOTER does in the simulated nights: stare, nodding and offset blocks, standards, calibrations.

Evening: biases. Night: observation blocks, a telluric and a flux standard. Morning, before noon UT: format
check, order position, flats and arc. All arms observe at the same time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.schedule import Clock, Night, ObservationBlock, Template
from phoenix.simulation.stamps import lst_deg
from phoenix.simulation.stars import StandardStar, Star, nearest_standard, star_near_meridian
from phoenix.simulation.xshooter.headers import NOD_THROW_ARCSEC
from phoenix.simulation.xshooter.settings import (
    ARC,
    ARMS,
    BIAS,
    DARK,
    FLAT,
    FLAT_D2,
    FLAT_QTH,
    FLUX_STANDARD,
    FORMAT_CHECK,
    NIR,
    NOD,
    OFFSET,
    OFFSET_SKY,
    ORDER_POSITION,
    ORDER_POSITION_D2,
    ORDER_POSITION_QTH,
    STARE,
    TELLURIC,
    UVB,
    Arm,
    Kind,
    Shot,
    XshooterSetup,
    lamp_off,
)

SCIENCE_RUN = "60.A-9999(X)"
CALIBRATION_RUN = "60.A-9999(C)"

READOUT_S = 45.0
ACQUISITION_S = 360.0
STARE_SLIT_ARCSEC = 0.6


@dataclass(frozen=True)
class Visit:
    """A block: shots planned, how many of them were taken, exposure time."""

    shots: tuple[Shot, ...]
    exptime_s: float
    taken: int


def _visit(shots: tuple[Shot, ...], exptime_s: float, taken: int | None = None) -> Visit:
    return Visit(shots, exptime_s, len(shots) if taken is None else taken)


def _nod(kind: Kind, ends: str) -> tuple[Shot, ...]:
    """Exposures at the ends A (+) and B (-) of the nod."""
    half = NOD_THROW_ARCSEC / 2
    return tuple(Shot(kind, half if end == "A" else -half) for end in ends)


_STARE = Shot(STARE, STARE_SLIT_ARCSEC)
_PAIR = (Shot(OFFSET), Shot(OFFSET_SKY))

#: The first night has each mode. In the second a nod was aborted after one end: it has nothing to subtract.
PATTERN = (
    (_visit((_STARE,), 60.0), _visit(_nod(NOD, "AB"), 60.0), _visit(_PAIR, 90.0)),
    (_visit(_nod(NOD, "AB"), 60.0, taken=1), _visit((_STARE, _STARE), 90.0)),
    (_visit(_nod(NOD, "ABBA"), 60.0),),
)
TELLURIC_VISIT = _visit(_nod(TELLURIC, "AB"), 20.0)
FLUX_VISIT = _visit((Shot(FLUX_STANDARD),), 40.0)


#: Kinds of frames whose lamps are those of the arm.
_POSITIONS = {UVB: (ORDER_POSITION_D2, ORDER_POSITION_QTH)}
_FLATS = {UVB: (FLAT_D2, FLAT_QTH)}


def _lamps(arm: Arm, kinds: tuple[Kind, ...], count: int, exptime_s: float) -> Visit:
    """Exposures of lamps, which are one template; in NIR as many again with the lamp off."""
    if arm is NIR:
        kinds = (*kinds, *(lamp_off(kind) for kind in kinds))
    return _visit(tuple(Shot(kind) for kind in kinds for _ in range(count)), exptime_s)


def _evening(arm: Arm, size: str) -> tuple[Visit, ...]:
    """Biases; darks in NIR, where xsh_mdark takes no frames smaller than the detector."""
    if arm is not NIR:
        return (_visit((Shot(BIAS),) * 3, 0.0),)
    return (_visit((Shot(DARK),) * 3, 60.0),) if size == "full" else ()


def _morning(arm: Arm) -> tuple[Visit, ...]:
    """Lamp calibrations of an arm."""
    return (
        _lamps(arm, (FORMAT_CHECK,), 1, 10.0),
        _lamps(arm, _POSITIONS.get(arm, (ORDER_POSITION,)), 1, 10.0),
        _lamps(arm, _FLATS.get(arm, (FLAT,)), 3, 20.0),
        _lamps(arm, (ARC,), 1, 30.0),
    )


def nights_of(plan: SimulationPlan) -> list[Night[XshooterSetup]]:
    """All nights of the plan, templates in the order of time."""
    return [_NightLog(plan, index, evening).night() for index, evening in enumerate(plan.night_dates())]


class _NightLog:
    """Fills one night, keeping the clock and the block numbers."""

    def __init__(self, plan: SimulationPlan, index: int, evening: date) -> None:
        self._index = index
        self._size = plan.size
        self._evening = evening
        self._block_id = 400_000_000 + (evening.year * 12 + evening.month) % 4000 * 10_000 + index * 100
        # The same nights have the same clock whatever the number of nights: numbers come from seed and date.
        draw = random.Random(f"{plan.seed} {evening.isoformat()}")  # noqa: S311 - overheads, not secrets
        self._clock = Clock(datetime.combine(evening, time(20, 0), UTC), draw)
        self._templates: list[Template[XshooterSetup]] = []

    def night(self) -> Night[XshooterSetup]:
        """Run the night from evening to morning."""
        for arm in ARMS:
            self._calibrate("Evening", arm, _evening(arm, self._size))
        self._wait_until(time(1, 0))
        for rank, visit in enumerate(PATTERN[self._index % len(PATTERN)]):
            moment = lst_deg(self._clock.now + timedelta(minutes=20))
            self._observe(star_near_meridian(moment, (3 * self._index + 2 * rank) % 7), visit)
        for visit in (TELLURIC_VISIT, FLUX_VISIT):
            self._observe(nearest_standard(lst_deg(self._clock.now)), visit)
        self._wait_until(time(10, 45))
        for arm in ARMS:
            self._calibrate("Calibration", arm, _morning(arm))
        return Night(self._evening, tuple(self._templates))

    def _wait_until(self, clock: time) -> None:
        self._clock.now = datetime.combine(self._evening + timedelta(days=1), clock, UTC)

    def _block(self, name: str, target: Star | StandardStar | None, templates: int) -> ObservationBlock:
        self._block_id += 1
        programme = SCIENCE_RUN if isinstance(target, Star) else CALIBRATION_RUN
        return ObservationBlock(self._block_id, name, programme, self._clock.step(20.0), templates, target)

    def _calibrate(self, name: str, arm: Arm, visits: tuple[Visit, ...]) -> None:
        block = self._block(f"{name}_{arm.name}", None, len(visits))
        for number, visit in enumerate(visits, start=1):
            self._template(visit, block, number, (arm,))

    def _observe(self, target: Star | StandardStar, visit: Visit) -> None:
        block = self._block(f"{target.name}_{visit.shots[0].kind.name.replace(' ', '_')}", target, 2)
        self._clock.step(ACQUISITION_S)
        self._template(visit, block, 2, ARMS)

    def _template(self, visit: Visit, block: ObservationBlock, number: int, arms: tuple[Arm, ...]) -> None:
        """Run a template, each exposure in all its arms."""
        start = self._clock.step(5.0)
        starts: dict[str, list[datetime]] = {arm.name: [] for arm in arms}
        for _ in range(visit.taken):
            for arm in arms:
                starts[arm.name].append(self._clock.step(1.0))
            self._clock.step(visit.exptime_s + READOUT_S)
        for arm in arms:
            setup = XshooterSetup(arm, visit.shots)
            share = arm.exposure_share if setup.kind.catg == "SCIENCE" else 1.0
            self._templates.append(
                Template(
                    setup,
                    block,
                    number,
                    start,
                    share * visit.exptime_s,
                    len(visit.shots),
                    tuple(starts[arm.name]),
                )
            )
