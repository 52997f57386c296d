"""The REST client against canned answers of Airflow; the real one is met in test_deployment_components."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import httpx
import pytest

from phoenix.deployment.airflow_api import AirflowApi
from phoenix.deployment.airflow_home import Login
from phoenix.errors import InfrastructureError, UsageError

LOGIN = Login("http://localhost:1", "admin", "right", Path("passwords.json"))
HEALTHY = {
    name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor", "triggerer")
}

Answer = Callable[[httpx.Request], httpx.Response]


def api(answer: Answer, login: Login = LOGIN) -> AirflowApi:
    """Return a client of a server that checks the password and the token, then answers."""

    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            right = json.loads(request.content)["password"] == "right"
            return httpx.Response(201, json={"access_token": "t"}) if right else httpx.Response(401)
        if request.headers.get("Authorization") != "Bearer t" and "health" not in request.url.path:
            return httpx.Response(401, json={"detail": "Not authenticated"})
        return answer(request)

    return AirflowApi(login, httpx.MockTransport(serve))


def run(number: int, key: str | None) -> dict[str, object]:
    dates = dict.fromkeys(["queued_at", "start_date", "end_date"])
    return {
        "dag_run_id": f"r{number}",
        "state": "success",
        "partition_key": key,
        "run_type": "backfill",
    } | dates


def test_logs_in_when_the_server_asks_for_it() -> None:
    with api(lambda _: httpx.Response(200, json={"import_errors": [], "total_entries": 0})) as client:
        assert client.import_errors() == []


def test_a_refused_login_names_the_password_file() -> None:
    login = Login(LOGIN.url, "admin", "wrong", LOGIN.password_file)
    with (
        api(lambda _: httpx.Response(200), login) as client,
        pytest.raises(InfrastructureError, match=r"passwords\.json"),
    ):
        client.import_errors()


def test_all_pages_are_read_and_runs_chosen_by_key() -> None:
    rows = [run(number, "2019-03" if number % 2 else "2019-04") for number in range(250)]

    def answer(request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        return httpx.Response(200, json={"dag_runs": rows[offset : offset + limit], "total_entries": 250})

    with api(answer) as client:
        assert len(client.runs("dag")) == 250
        assert len(client.runs("dag", "2019-03")) == 125


def test_a_backfill_asks_for_both_ends() -> None:
    asked: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={"id": 7, "dag_id": "dag", "completed_at": None})

    with api(answer) as client:
        assert client.create_backfill("dag", date(2019, 3, 1), date(2019, 4, 1), reprocess="failed").id == 7
    assert asked[0]["from_date"] == "2019-03-01T00:00:00Z"
    assert asked[0]["to_date"] == "2019-04-01T00:00:00Z"
    assert asked[0]["reprocess_behavior"] == "failed"


def test_a_refusal_is_told_in_the_servers_words() -> None:
    refusal = httpx.Response(409, json={"detail": "There is already a running backfill"})
    with api(lambda _: refusal) as client, pytest.raises(UsageError, match="already a running backfill"):
        client.create_backfill("dag", date(2019, 3, 1), date(2019, 3, 1))


def test_a_failing_server_is_infrastructure() -> None:
    with (
        api(lambda _: httpx.Response(500, text="boom")) as client,
        pytest.raises(InfrastructureError, match="boom"),
    ):
        client.runs("dag")


def test_no_server_is_infrastructure() -> None:
    with AirflowApi(LOGIN) as client, pytest.raises(InfrastructureError, match="localhost:1"):
        client.runs("dag")


def test_an_existing_pool_is_resized_and_a_missing_one_made() -> None:
    pools = {"old"}
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        known = request.url.path.removeprefix("/api/v2/pools/") in pools
        return httpx.Response(404 if request.method == "GET" and not known else 200, json={})

    with api(answer) as client:
        client.set_pool("old", 3)
        client.set_pool("new", 3)
    assert calls == ["GET", "PATCH", "GET", "POST"]


def test_health_is_empty_without_a_server_and_waiting_names_what_is_missing() -> None:
    with AirflowApi(LOGIN) as client:
        assert client.health() == {}
    unwell = HEALTHY | {"scheduler": {"status": "unhealthy"}, "triggerer": {"status": None}}
    seen: list[dict[str, str]] = []
    with (
        api(lambda _: httpx.Response(200, json=unwell)) as client,
        pytest.raises(InfrastructureError, match="scheduler, triggerer"),
    ):
        client.wait_healthy(timeout_s=0, watch=seen.append)
    assert seen[0]["triggerer"] == "not seen"


def test_waiting_ends_when_all_are_healthy() -> None:
    with api(lambda _: httpx.Response(200, json=HEALTHY)) as client:
        client.wait_healthy(timeout_s=0)


def test_a_dag_that_does_not_come_is_told_with_the_import_errors() -> None:
    errors = [{"filename": "phoenix_uves.py", "stack_trace": "SyntaxError: here"}]

    def answer(request: httpx.Request) -> httpx.Response:
        if "importErrors" in request.url.path:
            return httpx.Response(200, json={"import_errors": errors, "total_entries": 1})
        return httpx.Response(404, json={"detail": "not found"})

    with api(answer) as client, pytest.raises(UsageError, match=r"phoenix_uves\.py: SyntaxError"):
        client.wait_for_dag("phoenix_uves", timeout_s=0)
