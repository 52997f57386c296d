"""QC jobs of a batch over hosts: who does what, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from phoenix.model.lot import Job

#: A job of which nothing is known, and what each MB of its products adds to it.
_UNKNOWN_S, _UNKNOWN_S_PER_MB = 0.5, 0.05
#: A worker imports for a second or two; less work than this does not pay for another one.
_WORTH_A_WORKER_S = 2.0


def expected_seconds(size_mb: float, seconds_per_mb: float | None) -> float:
    """Return how long a job will take: by what its kind took before, else a guess by size."""
    if seconds_per_mb is None:
        return _UNKNOWN_S + _UNKNOWN_S_PER_MB * size_mb
    return seconds_per_mb * size_mb


def longest_first(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs in the order they start in.

    The last job to end is then a short one, and the wall time at most total / workers + the longest job.
    """
    return sorted(jobs, key=lambda job: (-(job.seconds or 0.0), job.name))


def shards(jobs: Sequence[Job], slots: Sequence[int]) -> list[list[Job]]:
    """Split jobs over hosts so that all end at about the same time.

    Each job, the longest first, goes to the host that would be through with it soonest. So no host takes
    longer than all work over all slots, and for each other host the longest job over all slots.

    Parameters
    ----------
    slots : sequence of int
        Jobs each host runs at the same time.

    Returns
    -------
    list of list of Job
        Each job once; hosts that get none are left out. The order of the jobs does not matter.
    """
    parts: list[list[Job]] = [[] for _ in slots]
    loads_s = [0.0] * len(slots)
    for job in longest_first(jobs):
        seconds = job.seconds or 0.0

        def finish_s(host: int, seconds: float = seconds) -> tuple[float, int]:
            return (loads_s[host] + seconds) / slots[host], len(parts[host])

        host = min(range(len(slots)), key=finish_s)
        parts[host].append(job)
        loads_s[host] += seconds
    return [part for part in parts if part]


def workers_for(jobs: Sequence[Job], slots: int) -> int:
    """Return how many workers pay for themselves, at least one and at most one for each slot."""
    total_s = sum(job.seconds or 0.0 for job in jobs)
    return max(1, min(slots, len(jobs), int(total_s / _WORTH_A_WORKER_S)))
