from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from builders_execution import NOW
from phoenix.execution.retry import RetryPolicy, memory_for, next_try
from phoenix.model.outcome import Attempt, Outcome

POLICY = RetryPolicy(memory_gb=1.0, memory_cap_gb=4.0)
HISTORIES = st.lists(
    st.builds(
        Attempt,
        number=st.just(1),
        outcome=st.sampled_from(Outcome),
        started_at=st.just(NOW),
        ended_at=st.just(NOW),
        exit_code=st.none() | st.sampled_from([0, 10, 137, 139]),
    ),
    max_size=6,
)


def attempts(*ends: tuple[Outcome, int | None]) -> list[Attempt]:
    return [Attempt(n, outcome, NOW, NOW, code) for n, (outcome, code) in enumerate(ends, start=1)]


def test_the_first_try_takes_what_the_recipe_asks_for() -> None:
    first = next_try([], POLICY)
    assert first is not None
    assert first.memory_gb == 1.0


def test_science_failures_are_not_tried_again() -> None:
    for outcome in (Outcome.OK, Outcome.FAILED, Outcome.UNPROCESSABLE, Outcome.TIMEOUT, Outcome.BLOCKED):
        assert next_try(attempts((outcome, 1)), POLICY) is None


def test_memory_doubles_up_to_the_host() -> None:
    out = (Outcome.OUT_OF_MEMORY, 137)
    memories = [memory_for(attempts(*[out] * n), POLICY) for n in range(5)]
    assert memories == [1.0, 2.0, 4.0, 4.0, 4.0]
    policy = RetryPolicy(memory_gb=1.0, memory_cap_gb=4.0, tries=9)
    assert next_try(attempts(out, out), policy) is not None
    assert next_try(attempts(out, out, out), policy) is None


def test_the_same_death_twice_is_enough() -> None:
    segfault, lost = (Outcome.CRASHED, 139), (Outcome.CRASHED, None)
    assert next_try(attempts(segfault), POLICY) is not None
    assert next_try(attempts(segfault, segfault), POLICY) is None
    assert next_try(attempts(lost, lost), POLICY) is not None


@given(history=HISTORIES, tries=st.integers(1, 5), need=st.floats(0.1, 64), cap=st.floats(0.1, 64))
def test_memory_and_tries_are_bounded(history: list[Attempt], tries: int, need: float, cap: float) -> None:
    policy = RetryPolicy(need, cap, tries)
    following = next_try(history, policy)
    assert memory_for(history, policy) <= cap
    if following is not None:
        assert 0 < following.memory_gb <= cap
        assert len(history) < max(tries, 1)
        assert not history or history[-1].outcome.retryable
