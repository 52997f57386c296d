"""Whether to try an AB again, and with how much memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phoenix.model.outcome import Attempt, Outcome


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and with what an AB may be tried.

    Attributes
    ----------
    tries
        Attempts in all, the first included.
    memory_gb
        Memory of the first attempt.
    memory_growth
        Factor after each out_of_memory.
    memory_cap_gb
        Most it can get: of its memory class, or of the host.
    """

    memory_gb: float
    memory_cap_gb: float
    tries: int = 3
    memory_growth: float = 2.0


@dataclass(frozen=True, slots=True)
class NextTry:
    """The next attempt."""

    memory_gb: float


def memory_for(history: Sequence[Attempt], policy: RetryPolicy) -> float:
    """Return the memory of the next attempt in GB: more after each out_of_memory, up to the host's cap."""
    exhausted = sum(attempt.outcome is Outcome.OUT_OF_MEMORY for attempt in history)
    return min(policy.memory_gb * policy.memory_growth**exhausted, policy.memory_cap_gb)


def had_all_memory(history: Sequence[Attempt], policy: RetryPolicy) -> bool:
    """Whether the last attempt had all there is, so that another cannot have more."""
    return memory_for(history[:-1], policy) >= policy.memory_cap_gb


def next_try(history: Sequence[Attempt], policy: RetryPolicy) -> NextTry | None:
    """Return what to try next; None when another try cannot help.

    Infrastructure can mend and memory can grow; science does not change by repetition. A recipe that died
    twice of the same signal will die of it again; one that had all the memory of the host needs another host.

    Parameters
    ----------
    history : sequence of Attempt
        All attempts so far, oldest first.
    """
    if not history:
        return NextTry(memory_for(history, policy))
    last = history[-1]
    if not last.outcome.retryable or len(history) >= policy.tries:
        return None
    if last.outcome is Outcome.OUT_OF_MEMORY and had_all_memory(history, policy):
        return None
    if len(history) > 1 and _died_alike(history[-2], last):
        return None
    return NextTry(memory_for(history, policy))


def _died_alike(earlier: Attempt, last: Attempt) -> bool:
    crashed = earlier.outcome is last.outcome is Outcome.CRASHED
    return crashed and earlier.exit_code is not None and earlier.exit_code == last.exit_code
