"""Choosing a calibration: match key, time rule, barriers in time, and the level its distance earns."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from phoenix.association.candidates import Candidate, Pool, Shelf
from phoenix.association.traits import Key
from phoenix.config.association import Association, TimeRule

#: dt of different ABs must not differ by the last bits of an MJD: 1e-6 d is 86 ms.
DT_DECIMALS = 6
_NEVER = float("inf")

#: Two moments; the first belongs to what lies between them, the second does not.
Segment = tuple[float, float]
#: What has no barrier.
ALWAYS: Segment = (-_NEVER, _NEVER)


class Chosen(NamedTuple):
    """A calibration taken: candidate, level and signed distance in time (calibration minus group, days)."""

    candidate: Candidate
    level: int
    dt_days: float


class Barrier(NamedTuple):
    """A moment an association does not cross.

    Attributes
    ----------
    code
        ``breakpoint`` for one of the instrument, ``window`` for one of the association's ``between``.
    reason
        What happened then; may be empty.
    """

    mjd: float
    code: str
    reason: str = ""


@dataclass(slots=True, eq=False)
class Link:
    """An association rule with the calibrations it can choose from.

    Attributes
    ----------
    match
        Names that must be equal.
    levels
        (reach in days, level), the nearest first.
    mandatory
        Whether an AB without it is INCOMPLETE.
    alternative
        Its place among alternatives, ``2 of 3``; empty when there is no choice.
    most
        How many are taken if there are that many.
    simple
        Whether simply the nearest one is taken.
    """

    rule: Association
    match: tuple[str, ...]
    pool: Pool
    levels: tuple[tuple[float, int], ...]
    mandatory: bool = True
    alternative: str = ""
    most: int = field(init=False)
    simple: bool = field(init=False)

    def __post_init__(self) -> None:
        rule = self.rule
        self.most = rule.most
        either_side = rule.time in {TimeRule.CLOSEST, TimeRule.ATTACHED}
        self.simple = either_side and self.most == 1 and not (rule.static or rule.try_between)

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
    barriers
        What must not be crossed, in order of time.
    moments
        When that is.
    """

    link: Link
    tags: tuple[str, ...]
    key: Key
    shelf: Shelf
    barriers: tuple[Barrier, ...] = ()
    moments: tuple[float, ...] = ()

    def segment(self, mjd: float) -> Segment:
        """Return the barriers before and after a moment; one at the very moment is before it."""
        return _around(mjd, self.moments) if self.moments else ALWAYS

    def preferred(self, mjd: float) -> Segment:
        """Return the window whose calibrations go first."""
        moments = self.link.rule.try_between
        return _around(mjd, moments) if moments else ALWAYS


class Trace(NamedTuple):
    """How one association of one AB was decided; enough to tell the reasons for every candidate later.

    Attributes
    ----------
    mjd, segment
        The group's time, and the barriers before and after it, days.
    chosen
        Empty when there was none.
    passed_over
        The other alternatives that were tried.
    """

    search: Search
    mjd: float
    segment: Segment
    chosen: tuple[Chosen, ...]
    passed_over: tuple[Trace, ...] = ()

    @property
    def short(self) -> bool:
        """Whether less was found than the rule demands."""
        return len(self.chosen) < self.search.link.rule.minimum

    @property
    def missing(self) -> bool:
        """Whether the AB is INCOMPLETE for it."""
        return self.search.link.mandatory and self.short


def search_for(link: Link, tags: tuple[str, ...], key: Key, barriers: tuple[Barrier, ...] = ()) -> Search:
    """Return the search for calibrations of a key; a missing value matches nothing."""
    shelf = Shelf() if None in key else link.pool.usable(tags, key)
    return Search(link, tags, key, shelf, barriers, tuple(barrier.mjd for barrier in barriers))


def decide(alternatives: tuple[Search, ...], mjd: float) -> Trace:
    """Choose the calibrations of an association for a group; of alternatives the first that is satisfied.

    If none is, the trace is that of the first, without what it found: half an alternative is none.
    """
    if len(alternatives) == 1:
        return _tried(alternatives[0], mjd)
    passed_over: list[Trace] = []
    for search in alternatives:
        trace = _tried(search, mjd)
        if not trace.short:
            return trace._replace(passed_over=tuple(passed_over))
        passed_over.append(trace._replace(chosen=()))
    return passed_over[0]._replace(passed_over=tuple(passed_over[1:]))


def _tried(search: Search, mjd: float) -> Trace:
    segment = search.segment(mjd) if search.moments else ALWAYS
    if not search.shelf.times:
        return Trace(search, mjd, segment, ())
    # Nearly all rules ask for the nearest, which costs a fraction of going through all.
    choose = _nearest if search.link.simple else _in_order_of_merit
    return Trace(search, mjd, segment, choose(search, mjd, segment))


def _around(mjd: float, moments: tuple[float, ...]) -> Segment:
    index = bisect_right(moments, mjd)
    return moments[index - 1] if index else -_NEVER, moments[index] if index < len(moments) else _NEVER


def _in_order_of_merit(search: Search, mjd: float, segment: Segment) -> tuple[Chosen, ...]:
    """Take what fits: the preferred window first, others only for want of these."""
    link = search.link
    rule, reach, most = link.rule, link.reach_days, link.most
    if most == 0:
        return ()
    least = max(1, rule.minimum)
    window = search.preferred(mjd)
    taken: list[Chosen] = []
    others: list[Chosen] = []
    for candidate in search.shelf.backward(mjd) if rule.static else search.shelf.outward(mjd):
        dt_days = 0.0 if rule.static else round(candidate.mjd - mjd, DT_DECIMALS)
        if abs(dt_days) > reach:
            break
        if not segment[0] <= candidate.mjd < segment[1]:
            continue
        if rule.time is not TimeRule.CLOSEST and time_refused(rule.time, dt_days):
            continue
        level = link.level(dt_days) or 0
        if window[0] <= candidate.mjd < window[1]:
            taken.append(Chosen(candidate, level, dt_days))
            if len(taken) == most:
                break
        elif len(others) < least:
            others.append(Chosen(candidate, level + 1, dt_days))
    return (*taken, *others[: max(0, least - len(taken))])


def _nearest(search: Search, mjd: float, segment: Segment) -> tuple[Chosen, ...]:
    """Take the nearest, as :func:`_in_order_of_merit` would."""
    candidate = search.shelf.nearest(mjd, *segment)
    if candidate is None:
        return ()
    dt_days = round(candidate.mjd - mjd, DT_DECIMALS)
    level = search.link.level(dt_days)
    return () if level is None else (Chosen(candidate, level, dt_days),)


def time_refused(rule: TimeRule, dt_days: float) -> bool:
    """Whether a calibration lies on the side of the group that the time rule forbids."""
    return (rule is TimeRule.PREVIOUS and dt_days > 0) or (rule is TimeRule.NEXT and dt_days < 0)
