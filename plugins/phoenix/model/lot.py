"""What is scheduled as one: ABs that are run one after the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """An AB as the scheduling sees it.

    Attributes
    ----------
    seconds
        Expected wall time; None when nothing is known.
    memory_gb
        Memory it needs.
    waits_for
        Names of ABs that must have run before it; those that are no jobs themselves do not matter.
    """

    name: str
    seconds: float | None = None
    memory_gb: float = 0.0
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lot:
    """Jobs that one task instance runs one after the other; at least one."""

    jobs: tuple[Job, ...]

    @property
    def names(self) -> list[str]:
        """Names of the ABs, in the order they are run in."""
        return [job.name for job in self.jobs]

    @property
    def seconds(self) -> float | None:
        """Expected wall time; None when that of a job is not known."""
        known = [job.seconds for job in self.jobs if job.seconds is not None]
        return sum(known) if len(known) == len(self.jobs) else None

    @property
    def memory_gb(self) -> float:
        """Memory the lot needs: that of its largest job, for they run one after the other."""
        return max(job.memory_gb for job in self.jobs)
