"""QC jobs over hosts: none lost, none twice, none waiting long; and how many workers pay."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phoenix.model.lot import Job
from phoenix.qc.shards import expected_seconds, longest_first, shards, workers_for

SECONDS = st.floats(0.0, 1e4)
JOBS = st.lists(SECONDS, max_size=60).map(
    lambda times: [Job(f"{number:03d}", seconds) for number, seconds in enumerate(times)]
)
SLOTS = st.lists(st.integers(1, 64), min_size=1, max_size=6)


def total(jobs: list[Job]) -> float:
    return sum(job.seconds or 0.0 for job in jobs)


@given(JOBS, SLOTS)
def test_no_job_is_lost_or_doubled(jobs: list[Job], slots: list[int]) -> None:
    parts = shards(jobs, slots)
    assert sorted(job.name for part in parts for job in part) == [job.name for job in jobs]
    assert len(parts) <= len(slots)
    assert all(parts)


@given(JOBS, SLOTS, st.randoms(use_true_random=False))
def test_the_same_jobs_give_the_same_shards(jobs: list[Job], slots: list[int], random: object) -> None:
    shuffled = list(jobs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shards(shuffled, slots) == shards(jobs, slots)


@given(st.lists(SECONDS, min_size=1, max_size=60), st.integers(1, 64), st.integers(1, 6))
def test_like_hosts_end_at_about_the_same_time(times: list[float], slots: int, hosts: int) -> None:
    jobs = [Job(f"{number:03d}", seconds) for number, seconds in enumerate(times)]
    loads = [total(part) / slots for part in shards(jobs, [slots] * hosts)]
    ideal, longest = sum(times) / (slots * hosts), max(times) / slots
    assert max(loads) <= ideal + longest + 1e-6


@given(
    st.lists(st.floats(1.0, 100.0), min_size=12, max_size=60),
    st.lists(st.integers(1, 8), min_size=2, max_size=3),
)
def test_no_host_is_far_behind_the_others(times: list[float], slots: list[int]) -> None:
    jobs = [Job(f"{number:03d}", seconds) for number, seconds in enumerate(times)]
    parts = shards(jobs, slots)
    assume(len(parts) == len(slots))
    bound = (sum(times) + (len(slots) - 1) * max(times)) / sum(slots)
    for part, of_host in zip(parts, slots, strict=True):
        assert total(part) / of_host <= bound * (1 + 1e-9)


def test_a_larger_host_gets_more() -> None:
    jobs = [Job(f"{number:02d}", 10.0) for number in range(12)]
    assert [len(part) for part in shards(jobs, [32, 64])] == [4, 8]


def test_one_host_one_shard_and_no_jobs_no_shard() -> None:
    jobs = [Job("a", 1.0), Job("b", 3.0), Job("c", 2.0)]
    assert [[job.name for job in part] for part in shards(jobs, [8])] == [["b", "c", "a"]]
    assert shards([], [8, 8]) == []


@given(JOBS, st.integers(1, 16))
def test_longest_first_ends_within_the_bound(jobs: list[Job], workers: int) -> None:
    free_at = [0.0] * workers
    for job in longest_first(jobs):
        first = free_at.index(min(free_at))
        free_at[first] += job.seconds or 0.0
    longest = max((job.seconds or 0.0 for job in jobs), default=0.0)
    assert max(free_at) <= total(jobs) / workers + longest + 1e-6


@pytest.mark.parametrize(
    ("seconds", "jobs", "slots", "workers"),
    [(0.1, 10, 8, 1), (0.5, 10, 8, 2), (60.0, 2, 8, 2), (60.0, 100, 8, 8), (0.0, 0, 8, 1)],
    ids=["little work", "some work", "few long jobs", "all slots", "nothing"],
)
def test_as_many_workers_as_pay_for_themselves(seconds: float, jobs: int, slots: int, workers: int) -> None:
    assert workers_for([Job(str(number), seconds) for number in range(jobs)], slots) == workers


def test_what_is_known_counts_else_the_size() -> None:
    assert expected_seconds(200.0, 0.25) == 50.0
    assert expected_seconds(200.0, None) > expected_seconds(2.0, None) > 0
