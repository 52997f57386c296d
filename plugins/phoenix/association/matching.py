"""Choosing a calibration: match key, time rule, breakpoints, and the level its distance in time earns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from phoenix.association.candidates import Candidate, Pool, Shelf
from phoenix.association.traits import Key
from phoenix.config.rules import Association, TimeRule

#: dt of different ABs must not differ by the last bits of an MJD: 1e-6 d is 86 ms.
DT_DECIMALS = 6
_NEVER = float("inf")


class Chosen(NamedTuple):
    """A calibration taken: candidate, level and signed distance in time (calibration minus group, days)."""

    candidate: Candidate
    level: int
    dt_days: float


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """An association rule with the calibrations it can choose from.

    Attributes
    ----------
    match
        Names that must be equal.
    levels
        (reach in days, level), the nearest first.
    """

    rule: Association
    match: tuple[str, ...]
    pool: Pool
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


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What an association looks for on behalf of all groups of one setting.

    Attributes
    ----------
    tags
        PRO.CATG that are taken together.
    key
        Values of the match keys.
    shelf
        The usable calibrations that match, whatever their time.
    """

    link: Link
    tags: tuple[str, ...]
    key: Key
    shelf: Shelf


class Trace(NamedTuple):
    """How one association of one AB was decided; enough to tell the reasons for every candidate later.

    Attributes
    ----------
    mjd, segment
        The group's time, and the breakpoints before and after it, days.
    chosen
        Empty when there was none.
    """

    search: Search
    mjd: float
    segment: tuple[float, float]
    chosen: tuple[Chosen, ...]

    @property
    def missing(self) -> bool:
        """Whether less was found than the rule demands."""
        return len(self.chosen) < self.search.link.rule.minimum


def search_for(link: Link, tags: tuple[str, ...], key: Key) -> Search:
    """Return the search for calibrations of a key; a missing value matches nothing."""
    return Search(link, tags, key, Shelf() if None in key else link.pool.usable(tags, key))


def decide(search: Search, mjd: float, segment: tuple[float, float]) -> Trace:
    """Choose the calibrations of an association for a group."""
    choose = _valid if search.link.rule.static else _nearest
    return Trace(search, mjd, segment, choose(search, mjd, segment) if search.shelf.times else ())


def segment_of(mjd: float, breakpoints: tuple[float, ...]) -> tuple[float, float]:
    """Return the breakpoints around a time; one at the very time begins the new segment."""
    bounds = (-_NEVER, *breakpoints, _NEVER)
    index = bisect_right(bounds, mjd)
    return bounds[index - 1], bounds[index]


def _valid(search: Search, mjd: float, _segment: tuple[float, float]) -> tuple[Chosen, ...]:
    """Take the static table that became valid last before the group; of equal ones the first name."""
    times = search.shelf.times
    index = bisect_right(times, mjd)
    if index == 0:
        return ()
    return (Chosen(search.shelf.candidates[bisect_left(times, times[index - 1])], 0, 0.0),)


def _nearest(search: Search, mjd: float, segment: tuple[float, float]) -> tuple[Chosen, ...]:
    taken: list[Chosen] = []
    link = search.link
    wanted = max(1, link.rule.minimum)
    reach, rule = link.reach_days, link.rule.time
    for candidate in search.shelf.outward(mjd):
        dt_days = round(candidate.mjd - mjd, DT_DECIMALS)
        if abs(dt_days) > reach:
            break
        if not segment[0] <= candidate.mjd < segment[1]:
            continue
        if rule is not TimeRule.CLOSEST and time_refused(rule, dt_days):
            continue
        taken.append(Chosen(candidate, link.level(dt_days) or 0, dt_days))
        if len(taken) == wanted:
            break
    return tuple(taken)


def time_refused(rule: TimeRule, dt_days: float) -> bool:
    """Whether a calibration lies on the side of the group that the time rule forbids."""
    return (rule is TimeRule.PREVIOUS and dt_days > 0) or (rule is TimeRule.NEXT and dt_days < 0)
