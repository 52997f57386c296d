"""How the execution of an AB ended, and the record of each attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """Outcome of an execution.

    Told from exit code, container state, log and products together; never from the exit code alone.
    """

    OK = "ok"
    #: Products are there and usable, with findings a scientist should read.
    CAVEATS = "caveats"
    #: Nothing to do, and rightly so.
    NO_WORK = "no_work"
    #: The input cannot give a product: truncated raw, wrong class, missing calibration.
    UNPROCESSABLE = "unprocessable"
    #: The recipe ran and its result does not pass the verdict.
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    #: The recipe died of a signal, or the engine lost it.
    CRASHED = "crashed"
    #: An AB this one waits for gave no product.
    BLOCKED = "blocked"

    @property
    def succeeded(self) -> bool:
        """Whether products may be used."""
        return self in {Outcome.OK, Outcome.CAVEATS, Outcome.NO_WORK}

    @property
    def retryable(self) -> bool:
        """Whether another try can help: infrastructure can mend, science cannot."""
        return self in {Outcome.OUT_OF_MEMORY, Outcome.CRASHED}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to run an AB: what ran, where, how long, and how it ended.

    Attributes
    ----------
    findings
        What the verdict noticed, one sentence each, the gravest first.
    image_digest
        Content address of the pipeline image that ran.
    pipeline_version
        As told by the pipeline itself at run time, e.g. ``uves/6.1.8``.
    """

    number: int
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    exit_code: int | None = None
    cpu_s: float | None = None
    memory_peak_mb: float | None = None
    image: str = ""
    image_digest: str = ""
    pipeline_version: str = ""
    container: str = ""
    findings: tuple[str, ...] = ()

    @property
    def wall_s(self) -> float:
        """Wall time of the attempt in seconds."""
        return (self.ended_at - self.started_at).total_seconds()
