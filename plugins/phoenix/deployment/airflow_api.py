"""Airflow's REST API, as far as a deployment and its demo need it.

A call costs milliseconds; one of Airflow's command line costs seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from phoenix.deployment.airflow_home import Login
from phoenix.errors import InfrastructureError, UsageError

_COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
_POLL_S = 0.5
_PAGE = 100
#: States of a DAG run that will not change any more.
FINAL_STATES = frozenset({"success", "failed"})


class DagRun(BaseModel):
    """A run of a DAG: for us, one batch."""

    dag_run_id: str
    state: str
    partition_key: str | None
    run_type: str
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None


class TaskInstance(BaseModel):
    """A task of a run; `rendered_map_index` is the readable name of a mapped one."""

    task_id: str
    map_index: int
    rendered_map_index: str | None
    state: str | None
    try_number: int
    start_date: datetime | None
    end_date: datetime | None
    duration: float | None


class BrokenDagFile(BaseModel):
    """A DAG file that cannot be loaded."""

    filename: str
    stack_trace: str


class Backfill(BaseModel):
    """A backfill: runs for the partitions of a time range."""

    id: int
    dag_id: str
    completed_at: datetime | None


class AirflowApi:
    """A logged-in client.

    Parameters
    ----------
    login : Login
        Address, user and password.
    transport : httpx.BaseTransport, optional
        For tests.
    """

    def __init__(self, login: Login, transport: httpx.BaseTransport | None = None) -> None:
        self._login = login
        self._authorization: dict[str, str] = {}
        # trust_env off: no proxy between us and this machine.
        self._client = httpx.Client(base_url=login.url, timeout=30, trust_env=False, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def health(self) -> dict[str, str]:
        """Return the state of each component, ``healthy`` or not; nothing while no server answers."""
        try:
            response = self._client.get("/api/v2/monitor/health", timeout=5)
            content = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return {}
        return {name: (content.get(name) or {}).get("status") or "not seen" for name in _COMPONENTS}

    def wait_healthy(
        self, timeout_s: float = 180, watch: Callable[[dict[str, str]], None] | None = None
    ) -> None:
        """Wait until all components report to be healthy.

        Parameters
        ----------
        timeout_s : float
            How long to wait.
        watch : callable, optional
            Called with the present state at each look; may raise to give up.

        Raises
        ------
        InfrastructureError
            If a component is not healthy in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            state = self.health()
            waiting = [name for name in _COMPONENTS if state.get(name) != "healthy"]
            if not waiting:
                return
            if watch:
                watch(state)
            if time.monotonic() > deadline:
                raise InfrastructureError(
                    f"Airflow at {self._login.url}",
                    f"after {timeout_s:.0f} s not healthy: {', '.join(waiting)}",
                    remedy="see the logs in the data root's folder log; make doctor",
                )
            time.sleep(_POLL_S)

    def import_errors(self) -> list[BrokenDagFile]:
        """Return the DAG files that cannot be loaded."""
        return [BrokenDagFile(**row) for row in self._pages("/api/v2/importErrors", "import_errors")]

    def dag_is_known(self, dag_id: str) -> bool:
        """Tell whether the DAG has been loaded."""
        return self._ask("GET", f"/api/v2/dags/{quote(dag_id)}", missing_ok=True) is not None

    def wait_for_dag(self, dag_id: str, timeout_s: float = 120) -> None:
        """Wait until a DAG has been loaded.

        Raises
        ------
        UsageError
            If it does not come; names the import errors there are.
        """
        deadline = time.monotonic() + timeout_s
        while not self.dag_is_known(dag_id):
            if time.monotonic() > deadline:
                errors = [f"{error.filename}: {error.stack_trace}" for error in self.import_errors()]
                raise UsageError(
                    f"DAG {dag_id}",
                    "\n".join([f"not loaded after {timeout_s:.0f} s", *errors]),
                    "a DAG of that name",
                    "see the folder dags and the log of the dag-processor",
                )
            time.sleep(_POLL_S)

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause a DAG; the runs of a backfill wait while it is paused."""
        self._ask("PATCH", f"/api/v2/dags/{quote(dag_id)}", json={"is_paused": paused})

    def set_pool(self, name: str, slots: int, description: str = "") -> None:
        """Create a pool, or give an existing one another size."""
        body = {"slots": slots, "description": description, "include_deferred": False}
        if self._ask("GET", f"/api/v2/pools/{quote(name)}", missing_ok=True) is None:
            self._ask("POST", "/api/v2/pools", json={**body, "name": name})
        else:
            self._ask("PATCH", f"/api/v2/pools/{quote(name)}", json={**body, "pool": name})

    def create_backfill(
        self,
        dag_id: str,
        first: date,
        last: date,
        *,
        reprocess: str = "none",
        max_active_runs: int = 1,
        conf: dict[str, Any] | None = None,
    ) -> Backfill:
        """Start a backfill over the partitions from `first` to `last`, both included.

        Parameters
        ----------
        dag_id : str
            The DAG.
        first, last : date
            Partition dates: for batches by month, the first of the month.
        reprocess : {"none", "failed", "completed"}
            Which runs that exist already are to be run again.
        max_active_runs : int
            How many batches at a time.
        conf : dict, optional
            Parameters of the runs.
        """
        body = {
            "dag_id": dag_id,
            "from_date": f"{first.isoformat()}T00:00:00Z",
            "to_date": f"{last.isoformat()}T00:00:00Z",
            "reprocess_behavior": reprocess,
            "max_active_runs": max_active_runs,
            "dag_run_conf": conf or {},
        }
        return Backfill(**self._ask("POST", "/api/v2/backfills", json=body))

    def runs(self, dag_id: str, partition_key: str | None = None) -> list[DagRun]:
        """Return the runs of a DAG, of one batch key if given, the latest first."""
        rows = self._pages(f"/api/v2/dags/{quote(dag_id)}/dagRuns", "dag_runs", order_by="-id")
        runs = [DagRun(**row) for row in rows]
        return [run for run in runs if partition_key in {None, run.partition_key}]

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Return one run."""
        return DagRun(**self._ask("GET", f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"))

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return all task instances of a run, every mapped one included."""
        path = f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        return [TaskInstance(**row) for row in self._pages(path, "task_instances")]

    def _pages(self, path: str, key: str, **params: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._ask("GET", path, params={**params, "limit": _PAGE, "offset": offset})
            yield from page[key]
            offset += _PAGE
            if offset >= page["total_entries"]:
                return

    def _ask(self, method: str, path: str, *, missing_ok: bool = False, **options: Any) -> Any:
        response = self._send(method, path, **options)
        if response.status_code == httpx.codes.UNAUTHORIZED:  # never logged in, or the token has expired
            self._log_in()
            response = self._send(method, path, **options)
        if response.status_code == httpx.codes.NOT_FOUND and missing_ok:
            return None
        if response.is_error:
            raise _explain(response)
        return response.json() if response.content else None

    def _log_in(self) -> None:
        body = {"username": self._login.username, "password": self._login.password}
        response = self._send("POST", "/auth/token", json=body)
        if response.is_error:
            raise InfrastructureError(
                f"Airflow at {self._login.url}",
                f"login of {self._login.username} refused ({response.status_code})",
                remedy=f"the password is in {self._login.password_file}; make down and make up read it anew",
            )
        self._authorization = {"Authorization": f"Bearer {response.json()['access_token']}"}

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, headers=self._authorization, **options)
        except httpx.HTTPError as error:
            raise InfrastructureError(
                f"Airflow at {self._login.url}", f"{method} {path}: {error}", remedy="make up; make doctor"
            ) from error


def _explain(response: httpx.Response) -> UsageError | InfrastructureError:
    """Turn a refusal into our words: 4xx is what was asked, 5xx the server."""
    try:
        detail = response.json().get("detail", response.text)
    except (ValueError, AttributeError):
        detail = response.text
    request = f"{response.request.method} {response.request.url.path}"
    found = f"refused with {response.status_code}: {str(detail)[:1000]}"
    if response.is_client_error:
        return UsageError(request, found, remedy="see the Airflow UI for the state of the DAG")
    return InfrastructureError(request, found, remedy="see the log of the api-server")
