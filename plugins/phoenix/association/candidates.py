"""Calibrations an association may choose from, and the index that finds those that match."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from phoenix.association.traits import Key, Traits, key_of
from phoenix.config.conditions import When
from phoenix.headers.conditions import first_failure
from phoenix.model.ab import McalibStatus

_RANK = {McalibStatus.REAL: 0, McalibStatus.STATIC: 0, McalibStatus.VIRTUAL: 1}


@dataclass(slots=True, eq=False)
class Candidate:
    """A calibration, or several of one origin: a master for each chip.

    Attributes
    ----------
    name
        Name of the AB that will make it, or of its (first) file.
    mjd
        Its time for matching, days; for static tables the start of their validity.
    sources
        PRO.CATG -> path, or name of the AB that will make it.
    defect
        Why it must not be used: the AB is excluded or incomplete itself, or somebody declared it bad. Empty
        when it may.
    """

    name: str
    mjd: float
    status: McalibStatus
    traits: Traits
    sources: Mapping[str, str]
    defect: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Candidates in order of time, then real before virtual, then name and path."""

    candidates: list[Candidate] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def add(self, candidate: Candidate) -> None:
        """Append one; they come in order."""
        self.candidates.append(candidate)
        self.times.append(candidate.mjd)

    def outward(self, mjd: float) -> Iterator[Candidate]:
        """Give the candidates by distance in time; at equal distance the earlier one first."""
        times = self.times
        right = bisect_left(times, mjd)
        left = right - 1
        while left >= 0 or right < len(times):
            if right >= len(times) or (left >= 0 and mjd - times[left] <= times[right] - mjd):
                # The first of those of the same time comes first: real before virtual, then by name.
                begin = bisect_left(times, times[left])
                yield from self.candidates[begin : left + 1]
                left = begin - 1
            else:
                end = bisect_right(times, times[right])
                yield from self.candidates[right:end]
                right = end

    def nearest(self, mjd: float, begin: float, end: float) -> Candidate | None:
        """Return the first that :meth:`outward` gives of those from one moment up to, not at, another."""
        times = self.times
        low, high = bisect_left(times, begin), bisect_left(times, end)
        right = bisect_left(times, mjd, low, high)
        if right < high and (right == low or mjd - times[right - 1] > times[right] - mjd):
            return self.candidates[right]
        if right == low:
            return None
        return self.candidates[bisect_left(times, times[right - 1], low, right)]

    def backward(self, mjd: float) -> Iterator[Candidate]:
        """Give those of this moment and before it, the latest first; of the same time by name."""
        end = bisect_right(self.times, mjd)
        while end:
            begin = bisect_left(self.times, self.times[end - 1])
            yield from self.candidates[begin:end]
            end = begin


_NOTHING = Shelf()


class Pool:
    """All calibrations of one association, of which an AB sees those on the shelf of its match key.

    Parameters
    ----------
    candidates : iterable of Candidate
        In any order.
    match : tuple of str
        Names whose values must be equal.
    when : mapping
        Conditions on the calibration itself.
    expansions : sequence of tuple of str
        What the association's PRO.CATG can stand for: the categories one AB takes together.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        match: tuple[str, ...],
        when: When,
        expansions: Sequence[tuple[str, ...]],
    ) -> None:
        self.key_of = key_of(match)
        ordered = _in_order(candidates)
        self.all = Shelf(ordered, [candidate.mjd for candidate in ordered])
        self._usable: dict[tuple[str, ...], dict[Key, Shelf]] = {tags: {} for tags in expansions}
        self._defective: dict[tuple[str, ...], dict[Key, Shelf]] = {tags: {} for tags in expansions}
        keys: dict[Traits, Key | None] = {}
        # Few combinations of categories occur: which expansions each one serves is worked out once.
        serves: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for candidate in ordered:
            traits = candidate.traits
            if traits not in keys:
                fulfilled = first_failure(when, traits.value) is None
                keys[traits] = self.key_of(traits.comparable) if fulfilled else None
            key = keys[traits]
            if key is None:
                continue
            given = tuple(candidate.sources)
            if given not in serves:
                serves[given] = [tags for tags in expansions if set(tags) <= set(given)]
            shelves = self._defective if candidate.defect else self._usable
            for tags in serves[given]:
                by_key = shelves[tags]
                shelf = by_key.get(key)
                if shelf is None:
                    shelf = by_key[key] = Shelf()
                shelf.add(candidate)

    def usable(self, tags: tuple[str, ...], key: Key) -> Shelf:
        """Return the usable candidates that match, whatever their time."""
        return self._usable[tags].get(key, _NOTHING)

    def defective(self, tags: tuple[str, ...], key: Key) -> Shelf:
        """Return those that would match and must not be used."""
        return self._defective[tags].get(key, _NOTHING)


def sets_of_masters(masters: Iterable[Candidate], match: tuple[str, ...]) -> list[Candidate]:
    """Join real masters of one origin: same folder, same time, same values of the match keys.

    A red exposure has a master for each of its two chips; they must not be mixed between origins, so one that
    is bad spoils its set. Two files of one category and origin: the first good one counts, by name.
    """
    values_of = key_of(match)
    by_time: dict[float, list[Candidate]] = {}
    for master in masters:
        by_time.setdefault(master.mjd, []).append(master)
    found: list[Candidate] = []
    for twins in by_time.values():
        if len(twins) == 1:
            found += twins
            continue
        origins: dict[Hashable, list[Candidate]] = {}
        for master in twins:
            (path,) = master.sources.values()
            key = (path.rpartition("/")[0], values_of(master.traits.comparable))
            origins.setdefault(key, []).append(master)
        found += [members[0] if len(members) == 1 else _joined(members) for members in origins.values()]
    return found


def _joined(members: list[Candidate]) -> Candidate:
    members.sort(key=lambda member: (member.defect != "", _order(member)))
    taken = {tag: member for member in reversed(members) for tag in member.sources}
    first = members[0]
    sources = {tag: member.sources[tag] for tag, member in taken.items()}
    defect = next((member.defect for member in taken.values() if member.defect), "")
    return Candidate(first.name, first.mjd, first.status, first.traits, sources, defect)


def _in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates in their total order; what tells ties apart is only worked out for ties."""
    ordered = sorted(candidates, key=attrgetter("mjd"))
    begin = 0
    for end in range(1, len(ordered) + 1):
        if end < len(ordered) and ordered[end].mjd == ordered[begin].mjd:
            continue
        if end - begin > 1:
            ordered[begin:end] = sorted(ordered[begin:end], key=_order)
        begin = end
    return ordered


def _order(candidate: Candidate) -> tuple[float, int, str, tuple[str, ...]]:
    """Total order: files of one name in two folders differ in their paths."""
    return candidate.mjd, _RANK[candidate.status], candidate.name, tuple(sorted(candidate.sources.values()))
