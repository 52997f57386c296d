"""ABs into lots, so that Airflow's own cost stays small beside the recipes'.

A task instance costs about a second of a slot. Beside recipes of a minute that is nothing, and each AB is a
lot of its own, with its own log, retry and colour; beside recipes of a second it is half of all.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from phoenix.errors import AssociationError
from phoenix.model.lot import Job, Lot


@dataclass(frozen=True, slots=True)
class LotLimits:
    """How lots are cut.

    Attributes
    ----------
    overhead_s
        What a task instance costs of a slot.
    overhead_share
        Largest part of the recipe time that may be.
    seconds
        Longest a lot of several ABs may take: one that is retried or killed must not be half a night.
    size
        Most ABs in a lot, unless there would be more than ``count`` lots.
    count
        Most lots: Airflow's ``max_map_length``. It comes before all others, for Airflow takes no more.
    at_once
        Lots that run at the same time; there are not fewer lots, as far as ABs allow.
    """

    overhead_s: float = 1.0
    overhead_share: float = 0.05
    seconds: float = 60.0
    size: int = 50
    count: int = 1024
    at_once: int = 1


def pack(jobs: Sequence[Job], limits: LotLimits) -> list[Lot]:
    """Return lots that hold each job once, in an order in which no job comes before one it waits for.

    Jobs that do not wait for each other keep their order. A job whose time is not known is a lot of its own.

    Raises
    ------
    AssociationError
        If jobs wait for each other in a circle.
    """
    ordered = _in_order(jobs)
    lots = _worthwhile(ordered, limits)
    if len(lots) <= limits.count:
        return lots
    return [Lot(part) for part in _evenly(ordered, limits.count)]


def _worthwhile(jobs: Sequence[Job], limits: LotLimits) -> list[Lot]:
    """Collect neighbours until their lot is worth a task instance."""
    worth = limits.overhead_s / limits.overhead_share
    total = sum(job.seconds or 0.0 for job in jobs)
    # A slot that stands idle costs more than a task instance.
    enough = min(worth, total / limits.at_once)
    lots: list[Lot] = []
    current: list[Job] = []
    taken = 0.0
    for job in jobs:
        alone = job.seconds is None or job.seconds >= enough
        full = len(current) >= limits.size or taken >= enough
        if current and (alone or full or taken + (job.seconds or 0.0) > limits.seconds):
            lots.append(Lot(tuple(current)))
            current, taken = [], 0.0
        current.append(job)
        taken = math.inf if job.seconds is None else taken + job.seconds
    if current:
        lots.append(Lot(tuple(current)))
    return lots


def _evenly(jobs: Sequence[Job], count: int) -> list[tuple[Job, ...]]:
    """Cut into at most `count` parts of the same length."""
    size = math.ceil(len(jobs) / count)
    return [tuple(jobs[start : start + size]) for start in range(0, len(jobs), size)]


def _in_order(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs so that none comes before one it waits for, otherwise as they stand."""
    place = {job.name: number for number, job in enumerate(jobs)}
    open_ends = [{place[name] for name in job.waits_for if name in place} for job in jobs]
    followers: dict[int, list[int]] = {}
    for number, before in enumerate(open_ends):
        for earlier in before:
            followers.setdefault(earlier, []).append(number)
    ready = [number for number, before in enumerate(open_ends) if not before]
    ordered: list[Job] = []
    while ready:
        number = heapq.heappop(ready)
        ordered.append(jobs[number])
        for follower in followers.get(number, ()):
            open_ends[follower].discard(number)
            if not open_ends[follower]:
                heapq.heappush(ready, follower)
    if len(ordered) < len(jobs):
        stuck = sorted(set(place) - {job.name for job in ordered})
        raise AssociationError(
            f"AB {stuck[0]}",
            f"waits, by way of others, for itself; in the circle or behind it: {', '.join(stuck[:5])}",
            "ABs that can be put into an order",
            "mend the rules or the AB's text: phoenix ab show",
        )
    return ordered
