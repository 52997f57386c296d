"""What the operator makes of a lot: each AB has its turn, whatever the others do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_library import STARTED, import_airflow, in_run
from phoenix.errors import InfrastructureError, UsageError
from phoenix.model.outcome import Outcome


@pytest.fixture(scope="module", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    import_airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How each AB ends, by name; ``ran`` lists those that had their turn. A stand-in for their execution."""
    import phoenix.chain.execute
    import phoenix.chain.resources
    from phoenix.orchestration import recipe_operator

    ends: dict[str, Any] = {"ran": []}

    def run_ab(_database: object, _configuration: object, _release: str, ab: str, **_: object) -> object:
        ends["ran"].append(ab)
        end = ends[ab]
        if isinstance(end, Exception):
            raise end
        return SimpleNamespace(outcome=end, findings=(f"why {ab}",))

    batch = SimpleNamespace(database=None, configuration=None)
    monkeypatch.setattr(phoenix.chain.execute, "run_ab", run_ab)
    monkeypatch.setattr(phoenix.chain.resources, "can_grow", lambda *arguments: arguments[-1] is None)
    monkeypatch.setattr(recipe_operator, "running_batch", lambda _release: batch)
    return ends


def run(**arguments: Any) -> dict[str, str]:
    from phoenix.orchestration.recipe_operator import RecipeOperator

    operator = RecipeOperator(task_id="bias", release="UVES_R3", lot=["a", "b", "c"], **arguments)
    with in_run("2019-03", "backfill__1"):
        outcomes: dict[str, str] = RecipeOperator.execute.__wrapped__(operator, {})
    return outcomes


def test_a_good_lot(ends: dict[str, Any]) -> None:
    ends.update(a=Outcome.OK, b=Outcome.CAVEATS, c=Outcome.NO_WORK)
    assert run() == {"a": "ok", "b": "caveats", "c": "no_work"}


@pytest.mark.parametrize(
    ("bad", "again"),
    [
        (Outcome.FAILED, False),
        (Outcome.CRASHED, True),
        (UsageError("b", "taken out"), False),
        (InfrastructureError("engine", "is gone"), True),
        (ZeroDivisionError("a defect"), True),
    ],
)
def test_a_bad_ab_stops_no_other_and_fails_the_task_at_the_end(
    ends: dict[str, Any], bad: object, again: bool
) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    ends.update(a=Outcome.OK, b=bad, c=Outcome.OK)
    with pytest.raises(AirflowException, match="1 of 3 ABs: b: ") as caught:
        run()
    assert isinstance(caught.value, AirflowFailException) is not again
    assert ends["ran"] == ["a", "b", "c"]


def test_one_that_may_be_better_next_time_is_enough_for_another_try(ends: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    ends.update(a=Outcome.FAILED, b=Outcome.CRASHED, c=Outcome.OK)
    with pytest.raises(AirflowException, match="2 of 3 ABs: a: failed; why a; b: crashed") as caught:
        run()
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize(
    ("try_number", "max_tries", "ran"),
    [(1, 2, ["a", "b", "c"]), (2, 2, ["b"]), (3, 2, ["b"]), (4, 5, ["a", "b", "c"]), (5, 5, ["b"])],
    ids=["first", "second", "third", "first after it was cleared", "second after that"],
)
def test_another_try_runs_only_what_is_not_settled(
    ends: dict[str, Any], monkeypatch: pytest.MonkeyPatch, try_number: int, max_tries: int, ran: list[str]
) -> None:
    import phoenix.chain.plan
    from phoenix.orchestration.recipe_operator import RecipeOperator

    asked: list[object] = []
    monkeypatch.setattr(phoenix.chain.plan, "unsettled", lambda *what: asked.append(what) or ["b"])
    ends.update(a=Outcome.OK, b=Outcome.OK, c=Outcome.OK)
    operator = RecipeOperator(task_id="bias", release="UVES_R3", lot=["a", "b", "c"], retries=2)
    with in_run("2019-03", "backfill__1", try_number, max_tries):
        RecipeOperator.execute.__wrapped__(operator, {})
    assert ends["ran"] == ran
    assert all(what == (None, "UVES_R3", ["a", "b", "c"], STARTED) for what in asked)


def test_out_of_memory_of_a_class_is_left_to_the_next(ends: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    ends.update(a=Outcome.OUT_OF_MEMORY, b=Outcome.OK, c=Outcome.OK)
    with pytest.raises(AirflowFailException, match="1 of 3"):
        run(within_gb=2.0)


def test_a_lot_has_the_time_of_its_abs() -> None:
    from phoenix.orchestration.recipe_operator import RecipeOperator

    operator = RecipeOperator(
        task_id="bias", release="UVES_R3", lot=["a", "b", "c"], ab_timeout=timedelta(minutes=15)
    )
    assert operator.execution_timeout == timedelta(minutes=45)


def test_the_plan_of_a_larger_class_needs_an_earlier_plan(tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from phoenix.orchestration import steps

    with in_run("2019-03", "backfill__1"), pytest.raises(AirflowSkipException, match="nothing was planned"):
        steps.plan.function("UVES_R3", "bias", "medium", None)
