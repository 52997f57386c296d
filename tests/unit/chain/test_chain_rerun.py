"""ABs run again with all that depends on them: what runs, in which order, and what a failure stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import count
from threading import Lock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders_execution import (
    KEY,
    NIGHT,
    RELEASE,
    PretendedEngine,
    ab_row,
    bias_ab,
    bias_frame,
    master_bias,
    write_fits,
)
from phoenix.chain.plan import pending
from phoenix.chain.rerun import plan_rerun, rerun, reset
from phoenix.config.loader import Configuration
from phoenix.errors import AssociationError, UsageError
from phoenix.execution.container import ContainerJob, OnLine
from phoenix.model.ab import AssociationBlock, Mcalib, McalibStatus
from phoenix.model.batch import BatchKey, BatchKind, BatchState
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.tables import AttemptRow

NEXT = "2019-04"
_releases = count()


class Cascade:
    """Bias ABs that wait for each other as told; the engine pretends to run their recipe."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self.database, self.configuration = database, configuration
        self.raw = bias_frame(configuration.folders.raw / NIGHT / "UVES.fits")
        self.fails: set[str] = set()
        self.ran: list[str] = []
        self._lock = Lock()

    def store(
        self,
        waits_for: Mapping[str, tuple[str, ...]],
        key: str = KEY,
        release: str = RELEASE,
        **changes: object,
    ) -> None:
        with self.database.transaction() as session:
            batches = BatchRepository(session)
            batch = batches.open(release, BatchKey(BatchKind.MONTH, key), "test")
            batches.close(release, key, BatchState.DONE, {})
            abs_ = AbRepository(session, AbTrees(self.configuration.folders))
            for name, others in waits_for.items():
                abs_.put(self._ab(name, others, release=release, **changes), batch.id)

    def _ab(self, name: str, others: tuple[str, ...], **changes: object) -> AssociationBlock:
        mcalibs = tuple(Mcalib(McalibStatus.VIRTUAL, ab(other), "MASTER_BIAS_BLUE") for other in others)
        return bias_ab([self.raw] * 3, name=ab(name), mcalibs=mcalibs, **changes)

    def _recipe(self, job: ContainerJob, on_line: OnLine) -> int:
        with self._lock:
            self.ran.append(short(job.ab))
        if short(job.ab) in self.fails:
            return 10
        code = master_bias(job, on_line)
        if "MASTER_BIAS_BLUE" in next(job.input_folder.rglob("job.sof")).read_text():
            used = {"PRO.REC1.RAW1.CATG": "BIAS_BLUE", "PRO.REC1.CAL1.CATG": "MASTER_BIAS_BLUE"}
            write_fits(job.output_folder / "masterbias_blue.fits", {"PRO.CATG": "MASTER_BIAS_BLUE", **used})
        return code

    def plan(self, *names: str, cascade: bool = True, release: str = RELEASE):
        return plan_rerun(
            self.database, self.configuration, release, [ab(name) for name in names], cascade=cascade
        )

    def rerun(self, *names: str, say: Callable[[str], None] = lambda _: None) -> dict[str, str]:
        self.ran.clear()
        ended = rerun(
            self.database, self.configuration, self.plan(*names), "me", say, PretendedEngine(self._recipe)
        )
        return {short(each.step.name): each.attempt.outcome if each.attempt else "error" for each in ended}

    def batch(self, key: str):
        with self.database.transaction() as session:
            return BatchRepository(session).find(RELEASE, key)


def ab(name: str) -> str:
    return f"UVES.{name}.ab"


def short(name: str) -> str:
    return name.removeprefix("UVES.").removesuffix(".ab")


@pytest.fixture
def cascade(database: Database, configuration: Configuration) -> Cascade:
    """Two flats of one bias, a science AB of each; one of these in the next month."""
    made = Cascade(database, configuration)
    made.store(
        {"bias": (), "flat1": ("bias",), "flat2": ("bias",), "science1": ("flat1", "bias"), "other": ()}
    )
    made.store({"science2": ("flat2",)}, NEXT)
    made.rerun("bias", "other")
    return made


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_runs_is_what_can_be_reached(
    database: Database, configuration: Configuration, data: st.DataObject
) -> None:
    cascade, release = Cascade(database, configuration), f"R{next(_releases)}"
    names = [f"n{number}" for number in range(data.draw(st.integers(1, 8)))]
    graph = {
        name: tuple(sorted(data.draw(st.sets(st.sampled_from(names[:place]))))) if place else ()
        for place, name in enumerate(names)
    }
    home = {name: data.draw(st.sampled_from([KEY, NEXT])) for name in names}
    for key in (KEY, NEXT):
        cascade.store({name: graph[name] for name in names if home[name] == key}, key, release)
    begin = data.draw(st.sets(st.sampled_from(names), min_size=1))
    plan = cascade.plan(*begin, release=release)
    order = [short(step.name) for step in plan.steps]

    reached = set(begin)
    for _ in names:
        reached |= {name for name in names if reached.intersection(graph[name])}
    assert set(order) == reached
    assert len(order) == len(reached)
    for step in plan.steps:
        inside = [other for other in graph[short(step.name)] if other in reached]
        assert [short(other) for other in step.after] == inside
        assert all(order.index(other) < order.index(short(step.name)) for other in inside)
        assert step.key == home[short(step.name)]


def test_an_ab_runs_again_with_all_that_depends_on_it_over_batches(cascade: Cascade) -> None:
    said: list[str] = []
    outcomes = cascade.rerun("flat2", say=said.append)
    assert outcomes == {"flat2": "ok", "science2": "ok"}
    assert cascade.ran == ["flat2", "science2"]
    assert [line.split(" (")[0] for line in said] == [
        "1 of 2: bias UVES.flat2.ab ok",
        "2 of 2: bias UVES.science2.ab ok",
    ]
    assert next(iter(cascade.rerun("bias"))) == "bias"
    assert sorted(cascade.ran) == ["bias", "flat1", "flat2", "science1", "science2"]


def test_a_failure_blocks_what_needs_it_and_nothing_else(cascade: Cascade) -> None:
    cascade.fails = {"flat1"}
    assert cascade.rerun("bias") == {
        "bias": "ok",
        "flat1": "failed",
        "flat2": "ok",
        "science1": "blocked",
        "science2": "ok",
    }
    assert "flat1.ab, which ended as failed" in ab_row(cascade.database, ab("science1")).reason
    assert "science1" not in cascade.ran


def test_an_error_is_told_of_its_ab_and_stops_no_other(cascade: Cascade) -> None:
    folder = cascade.configuration.folders.ab / RELEASE / "final" / NIGHT
    text = folder / ab("flat1")
    text.write_text(text.read_text() + "# by hand\n")
    outcomes = cascade.rerun("bias")
    assert (outcomes["flat1"], outcomes["science1"], outcomes["science2"]) == ("error", "blocked", "ok")


def test_the_batches_are_held_and_keep_what_they_noted(cascade: Cascade) -> None:
    with cascade.database.transaction() as session:
        BatchRepository(session).note_problems(RELEASE, KEY, ["x.fits: is truncated"])
    states: list[str] = []
    cascade.rerun("bias", say=lambda _: states.append(cascade.batch(NEXT).owner))
    assert set(states) == {"me"}
    assert {cascade.batch(key).owner for key in (KEY, NEXT)} == {""}
    assert cascade.batch(KEY).problems == ["x.fits: is truncated"]


def test_a_batch_somebody_works_on_is_left_alone(cascade: Cascade) -> None:
    with cascade.database.transaction() as session:
        BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, NEXT), "Airflow")
    with pytest.raises(UsageError, match="is being processed by Airflow"):
        cascade.rerun("bias")
    assert cascade.ran == []
    assert cascade.batch(KEY).owner == ""
    with pytest.raises(UsageError, match="is being processed by Airflow"):
        reset(cascade.database, cascade.configuration, cascade.plan("flat2"))
    assert ab_row(cascade.database, ab("flat2")).outcome == "ok"


def test_an_interrupted_rerun_leaves_the_rest_to_do(cascade: Cascade) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cascade.rerun("bias", say=interrupt)
    assert cascade.ran == ["bias"]
    assert pending(cascade.database, RELEASE, NEXT, "bias") == [ab("science2")]
    assert cascade.batch(KEY).owner == ""


def test_reset_leaves_it_to_the_next_run_of_the_batch(cascade: Cascade) -> None:
    assert pending(cascade.database, RELEASE, KEY, "bias") == []
    plan = cascade.plan("flat1")
    assert reset(cascade.database, cascade.configuration, plan) == [ab("flat1"), ab("science1")]
    assert pending(cascade.database, RELEASE, KEY, "bias") == [ab("flat1"), ab("science1")]
    assert reset(cascade.database, cascade.configuration, plan) == []


def test_the_time_it_takes_is_told_from_history(cascade: Cascade) -> None:
    with cascade.database.transaction() as session:
        for number, entry in enumerate(session.query(AttemptRow).order_by(AttemptRow.id)):
            entry.ended_at = entry.started_at + timedelta(seconds=10 if number else 1000)
    plan = cascade.plan("bias")
    assert {step.expected_s for step in plan.steps} == {10.0}
    assert plan.slots == 2
    assert plan.expected_s == 30.0
    assert cascade.plan("flat1", "flat2", cascade=False).expected_s == 10.0
    assert plan.of_undone().steps == ()


def test_what_never_ran_has_no_expected_time_and_excluded_abs_do_not_run(
    database: Database, configuration: Configuration
) -> None:
    cascade = Cascade(database, configuration)
    cascade.store({"bias": ()})
    cascade.store({"flat": ("bias",)}, exclusion="EXTENDED", exclusion_reason="no")
    plan = cascade.plan("bias")
    assert [(short(step.name), step.expected_s) for step in plan.steps] == [("bias", None)]
    assert plan.excluded == (ab("flat"),)
    assert plan.of_undone() == plan


def test_what_cannot_be_planned(cascade: Cascade) -> None:
    with pytest.raises(UsageError, match=r"UVES.nobody.ab: release UVES_R3 has none"):
        cascade.plan("nobody")
    cascade.store({"a": ("b",), "b": ("a",)})
    with pytest.raises(AssociationError, match="wait for each other"):
        cascade.plan("bias")
