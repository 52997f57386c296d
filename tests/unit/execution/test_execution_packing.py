"""ABs into lots: what holds whatever the ABs, and what comes out for recipes of a second and of an hour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.errors import AssociationError
from phoenix.execution.packing import LotLimits, pack
from phoenix.model.lot import Job, Lot

SECONDS = st.none() | st.floats(0.1, 4000, allow_nan=False)


@st.composite
def jobs_of_a_task(draw: st.DrawFn) -> list[Job]:
    """Jobs in any order; each may wait for earlier ones of a hidden order, so there is no circle."""
    count = draw(st.integers(0, 60))
    seconds = draw(st.lists(SECONDS, min_size=count, max_size=count))
    waits = [
        draw(st.lists(st.integers(0, n - 1), max_size=2, unique=True)) if n else [] for n in range(count)
    ]
    jobs = [
        Job(f"{n}.ab", seconds[n], float(n % 5), (*(f"{w}.ab" for w in waits[n]), "elsewhere.ab"))
        for n in range(count)
    ]
    return draw(st.permutations(jobs))


LIMITS = st.builds(
    LotLimits,
    seconds=st.floats(20, 200),
    size=st.integers(1, 20),
    count=st.integers(1, 40),
    at_once=st.integers(1, 8),
)


def names(lots: list[Lot]) -> list[str]:
    return [name for lot in lots for name in lot.names]


@given(jobs_of_a_task(), LIMITS)
def test_no_ab_is_lost_or_doubled(jobs: list[Job], limits: LotLimits) -> None:
    assert sorted(names(pack(jobs, limits))) == sorted(job.name for job in jobs)


@given(jobs_of_a_task(), LIMITS)
def test_nothing_comes_before_what_it_waits_for(jobs: list[Job], limits: LotLimits) -> None:
    place = {name: number for number, name in enumerate(names(pack(jobs, limits)))}
    for job in jobs:
        assert all(place[before] < place[job.name] for before in job.waits_for if before in place)


@given(st.lists(SECONDS, max_size=60), LIMITS)
def test_abs_that_do_not_wait_for_each_other_keep_their_order(
    seconds: list[float | None], limits: LotLimits
) -> None:
    jobs = [Job(f"{n}.ab", value) for n, value in enumerate(seconds)]
    assert names(pack(jobs, limits)) == [job.name for job in jobs]


@given(jobs_of_a_task(), LIMITS)
def test_limits_hold(jobs: list[Job], limits: LotLimits) -> None:
    lots = pack(jobs, limits)
    assert len(lots) <= limits.count
    assert all(lot.jobs for lot in lots)
    if (
        len(pack(jobs, LotLimits(seconds=limits.seconds, size=limits.size, count=1000, at_once=8)))
        > limits.count
    ):
        return  # more than Airflow takes: the number of lots comes before all other limits
    shared = [lot for lot in lots if len(lot.jobs) > 1]
    assert all(len(lot.jobs) <= limits.size for lot in shared if len(jobs) <= limits.size * limits.count)


@given(jobs_of_a_task(), LIMITS)
def test_a_lot_of_several_is_short_and_known(jobs: list[Job], limits: LotLimits) -> None:
    wide = LotLimits(seconds=limits.seconds, size=limits.size, count=1000, at_once=limits.at_once)
    for lot in pack(jobs, wide):
        if len(lot.jobs) > 1:
            assert lot.seconds is not None
            assert lot.seconds <= limits.seconds
            assert len(lot.jobs) <= limits.size


def test_recipes_of_two_seconds_share_a_task_instance_until_airflow_costs_five_per_cent() -> None:
    lots = pack([Job(f"{n}.ab", 2.0) for n in range(100)], LotLimits(at_once=2))
    assert [len(lot.jobs) for lot in lots] == [10] * 10
    assert all(lot.seconds is not None and 1.0 / lot.seconds <= 0.05 for lot in lots)


def test_no_slot_stands_idle_to_save_a_task_instance() -> None:
    lots = pack([Job(f"{n}.ab", 2.0) for n in range(8)], LotLimits(at_once=4))
    assert [len(lot.jobs) for lot in lots] == [2, 2, 2, 2]


@pytest.mark.parametrize("seconds", [None, 20.0, 3600.0])
def test_long_recipes_and_unknown_ones_are_alone(seconds: float | None) -> None:
    lots = pack([Job(f"{n}.ab", seconds) for n in range(5)], LotLimits(at_once=2))
    assert [len(lot.jobs) for lot in lots] == [1] * 5


def test_more_abs_than_airflow_maps() -> None:
    lots = pack([Job(f"{n}.ab") for n in range(2500)], LotLimits())
    assert len(lots) <= 1024
    assert max(len(lot.jobs) for lot in lots) == 3


def test_a_lot_needs_the_memory_of_its_largest() -> None:
    (lot,) = pack([Job("a.ab", 1.0, 2.0), Job("b.ab", 1.0, 6.0)], LotLimits())
    assert (lot.memory_gb, lot.seconds) == (6.0, 2.0)


def test_a_circle_is_named() -> None:
    with pytest.raises(AssociationError, match="waits, by way of others, for itself"):
        pack([Job("a.ab", waits_for=("b.ab",)), Job("b.ab", waits_for=("a.ab",))], LotLimits())
