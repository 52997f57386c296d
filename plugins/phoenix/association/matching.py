"""Choosing a calibration: match key, time rule, breakpoints, and the level its distance in time earns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from phoenix.association.candidates import Candidate, Pool, Shelf
from phoenix.association.subject import Key
from phoenix.config.rules import Association, TimeRule

#: dt of different ABs must not differ by the last bits of an MJD: 1e-6 d is 86 ms.
DT_DECIMALS = 6
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A calibration taken: candidate, level and signed distance in time (calibration minus group, days)."""

    candidate: Candidate
    level: int
    dt_days: float


@dataclass(frozen=True, slots=True)
class Trace:
    """How one association of one AB was decided; enough to tell the reasons for every candidate later.

    Attributes
    ----------
    tags
        PRO.CATG that are taken together.
    key
        Values of the match keys in the AB.
    mjd, segment
        The group's time, and the breakpoints before and after it, days.
    chosen
        Empty when there was none.
    """

    link: Link
    tags: tuple[str, ...]
    key: Key
    mjd: float
    segment: tuple[float, float]
    chosen: tuple[Chosen, ...]

    @property
    def missing(self) -> bool:
        """Whether less was found than the rule demands."""
        return len(self.chosen) < self.link.rule.minimum


@dataclass(frozen=True, slots=True)
class Link:
    """An association rule with the calibrations it can choose from."""

    rule: Association
    match: tuple[str, ...]
    pool: Pool
    #: (reach in days, level), the nearest first.
    levels: tuple[tuple[float, int], ...]

    @property
    def reach_days(self) -> float:
        """How far away in time a calibration may be."""
        return self.levels[-1][0] if self.levels else _NEVER

    def level(self, dt_days: float) -> int | None:
        """Return the level of a distance in time; None beyond the last one."""
        distance = abs(dt_days)
        for reach, level in self.levels:
            if distance <= reach:
                return level
        return None if self.levels else 0


def decide(link: Link, tags: tuple[str, ...], key: Key, mjd: float, segment: tuple[float, float]) -> Trace:
    """Choose the calibrations of an association for a group."""
    chosen: tuple[Chosen, ...] = ()
    if None not in key:
        shelf = link.pool.usable(tags, key)
        if shelf.times:
            chosen = _valid(shelf, mjd) if link.rule.static else _nearest(link, shelf, mjd, segment)
    return Trace(link, tags, key, mjd, segment, chosen)


def segment_of(mjd: float, breakpoints: tuple[float, ...]) -> tuple[float, float]:
    """Return the breakpoints around a time; one at the very time begins the new segment."""
    bounds = (-_NEVER, *breakpoints, _NEVER)
    index = bisect_right(bounds, mjd)
    return bounds[index - 1], bounds[index]


def _valid(shelf: Shelf, mjd: float) -> tuple[Chosen, ...]:
    """Take the static table that became valid last before the group; of equal ones the first name."""
    index = bisect_right(shelf.times, mjd)
    if index == 0:
        return ()
    return (Chosen(shelf.candidates[bisect_left(shelf.times, shelf.times[index - 1])], 0, 0.0),)


def _nearest(link: Link, shelf: Shelf, mjd: float, segment: tuple[float, float]) -> tuple[Chosen, ...]:
    taken: list[Chosen] = []
    wanted = max(1, link.rule.minimum)
    reach = link.reach_days
    for candidate in shelf.outward(mjd):
        dt_days = round(candidate.mjd - mjd, DT_DECIMALS)
        if abs(dt_days) > reach:
            break
        if time_refused(link.rule.time, dt_days) or not segment[0] <= candidate.mjd < segment[1]:
            continue
        taken.append(Chosen(candidate, link.level(dt_days) or 0, dt_days))
        if len(taken) == wanted:
            break
    return tuple(taken)


def time_refused(rule: TimeRule, dt_days: float) -> bool:
    """Whether a calibration lies on the side of the group that the time rule forbids."""
    return (rule is TimeRule.PREVIOUS and dt_days > 0) or (rule is TimeRule.NEXT and dt_days < 0)
